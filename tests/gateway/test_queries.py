"""Queries: booleans as other servers read them, and one value per name."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from parallax.gateway import problems, queries


class Example(msgspec.Struct):
    """Some parameters."""

    flag: Annotated[bool, Meta(description="x")] = False
    count: Annotated[int, Meta(ge=0, le=9)] = 1
    name: str = "none"


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1", "yes", "on", "t", "Y"])
def test_true_has_many_spellings(text: str) -> None:
    assert queries.parse(Example, f"flag={text}".encode()).flag


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off", "f", "N"])
def test_false_has_many_spellings(text: str) -> None:
    assert not queries.parse(Example, f"flag={text}".encode()).flag


def test_texts_stay_texts_and_are_unquoted() -> None:
    assert queries.parse(Example, b"name=on&count=7").name == "on"
    assert queries.parse(Example, b"name=a%2Fb+c%C3%A9").name == "a/b c\u00e9"


def test_what_is_not_known_is_ignored() -> None:
    assert queries.parse(Example, b"a=1&a=2&&=&b") == Example()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"flag=perhaps", "flag"),
        (b"flag=", "flag"),
        (b"count=ten", "count"),
        (b"count=10", "count"),
        (b"count=1&count=1", "count"),
    ],
)
def test_a_wrong_value_is_named(query: bytes, name: str) -> None:
    with pytest.raises(problems.InvalidBodyError) as caught:
        queries.parse(Example, query)

    assert caught.value.location == ("query", name)
