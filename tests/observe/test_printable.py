"""What a terminal may be shown."""

import hypothesis
from hypothesis import strategies as st

from parallax.observe import printable


def test_plain_text_stays() -> None:
    assert printable.shown("größe 12 µm: 図") == "größe 12 µm: 図"


def test_commands_are_written_out() -> None:
    assert printable.shown("a\x1b[2J\nb\x9b\u202e") == "a\\x1b[2J\\nb\\x9b\\u202e"


@hypothesis.given(st.text(st.characters()))
def test_nothing_unprintable_is_left(text: str) -> None:
    assert printable.shown(text).isprintable()
