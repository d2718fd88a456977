"""A right answer is told from every other."""

import json
from typing import Any

import msgspec
import pytest

from parallax.bench import connection, targets
from parallax.chaos import asking
from parallax.chaos.asking import Answer, Asked, Kind, Verdict
from tests.support import chaos_answers as answers

ONE, OTHER = answers.picture(0, 1, 2, 3, 4, 5), answers.picture(1, 1, 2, 3, 4, 4)
ADDRESS = targets.address("http://127.0.0.1:9001")


def asked(kind: Kind = Kind.ONE) -> Asked:
    return Asked("7-1", kind, [ONE, OTHER] if kind is Kind.SEVERAL else [ONE], "demo")


def verdict(what: Asked, status: str, body: bytes = b"{}", retry: bool = False) -> Verdict:
    return asking.judge(what, Answer(status, body, retry))[0]


@pytest.mark.parametrize("kind", [Kind.ONE, Kind.SEVERAL, Kind.DRAWN, Kind.HASTY])
def test_what_is_in_the_picture_is_right(kind: Kind) -> None:
    assert verdict(asked(kind), "200", answers.body(asked(kind))) is Verdict.RIGHT


@pytest.mark.parametrize(
    ("kind", "status"), [(Kind.BROKEN, "400"), (Kind.UNKNOWN, "404"), (Kind.LARGE, "413")]
)
def test_the_proper_refusal_is_right_and_findings_are_not(kind: Kind, status: str) -> None:
    assert verdict(asked(kind), status) is Verdict.RIGHT
    assert verdict(asked(kind), "200", answers.body(asked())) is Verdict.WRONG
    assert verdict(asked(kind), "500") is Verdict.FAILED


def test_the_answer_to_another_request_is_wrong() -> None:
    swapped = answers.body(asked(), [OTHER])
    assert asking.judge(asked(), Answer("200", swapped)) == (
        Verdict.WRONG,
        "one picture: the answer to another picture",
    )
    foreign = answers.body(Asked("7-2", Kind.ONE, [ONE], "demo"))
    assert verdict(asked(), "200", foreign) is Verdict.WRONG
    turned = answers.body(asked(Kind.SEVERAL), [OTHER, ONE])
    assert verdict(asked(Kind.SEVERAL), "200", turned) is Verdict.WRONG


@pytest.mark.parametrize(
    "change",
    [
        {"image": {"width": 320, "height": 480}},
        {"predictions": []},
        {"predictions": None},
        {"predictions": [{"class": "star"}]},
        {"inference_id": None},
        {"visualization": "aGVsbG8="},
    ],
)
def test_an_answer_with_something_else_in_it_is_wrong(change: dict[str, Any]) -> None:
    body = json.dumps(answers.found("7-1", ONE) | change).encode()
    assert verdict(asked(), "200", body) is Verdict.WRONG


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"inference_id"'])
def test_what_is_no_answer_is_wrong(body: bytes) -> None:
    assert verdict(asked(), "200", body) is Verdict.WRONG
    assert verdict(asked(Kind.SEVERAL), "200", body) is Verdict.WRONG


def test_a_drawing_that_was_asked_for_must_be_there() -> None:
    assert verdict(asked(Kind.DRAWN), "200", answers.body(asked())) is Verdict.WRONG


def test_not_now_is_a_refusal_only_if_it_says_when() -> None:
    assert verdict(asked(), "503", retry=True) is Verdict.REFUSED
    assert verdict(asked(), "503") is Verdict.FAILED
    assert verdict(asked(), "429", retry=True) is Verdict.FAILED


def test_what_is_no_answer_at_all() -> None:
    assert verdict(asked(), connection.TIMEOUT) is Verdict.UNANSWERED
    assert verdict(asked(), connection.CONNECTION) is Verdict.CUT
    assert verdict(asked(), connection.MALFORMED) is Verdict.WRONG


@pytest.mark.parametrize("kind", list(Kind))
def test_a_request_is_whole_and_bears_its_label(kind: Kind) -> None:
    head, _, body = asking.request(asked(kind), ADDRESS, "secret").partition(b"\r\n\r\n")
    assert b"Authorization: Bearer secret" in head
    length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    if kind is Kind.LARGE:
        assert length > len(body) > 0
        return
    assert length == len(body)
    fields = msgspec.json.decode(body)
    assert fields["id"] == "7-1"
    assert (fields["model_id"] == "demo") is (kind is not Kind.UNKNOWN)


def test_the_shares_are_parts_of_one() -> None:
    assert sum(asking.SHARES.values()) == pytest.approx(1.0)
    assert asking.SHARES.keys() == set(Kind)


def test_an_answer_that_is_missing_among_several_is_named() -> None:
    short = answers.body(asked(Kind.SEVERAL), [ONE])
    assert asking.judge(asked(Kind.SEVERAL), Answer("200", short)) == (
        Verdict.WRONG,
        "1 answers to 2 pictures",
    )
