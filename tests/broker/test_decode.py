"""Whatever a false broker says, the caller gets an answer or a named error."""

import contextlib
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from parallax.broker import base, decode, letters
from parallax.contract import errors
from tests.broker import worlds

OPS = sorted(decode._DECODERS, key=lambda each: each.__name__)
ATOMS = (
    st.none()
    | st.integers()
    | st.binary(max_size=8)
    | st.sampled_from((b"0-1", b"0-0", b"\xff", b"stage", b"done", decode.Refusal("ERR", "ERR no")))
)
REPLIES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@hypothesis.given(data=st.data(), replies=st.lists(REPLIES, max_size=4))
@pytest.mark.parametrize("kind", OPS, ids=lambda each: str(each.__name__))
def test_any_reply_is_an_answer_or_a_named_error(
    kind: type[base.Op[Any]], data: st.DataObject, replies: list[Any]
) -> None:
    op = data.draw(st.from_type(kind))
    with contextlib.suppress(errors.ParallaxError):
        decode.answer(op, worlds.KEYS, replies)


def test_a_dead_letter_whose_id_leads_elsewhere_is_refused() -> None:
    with pytest.raises(errors.InternalError, match="to Letters"):
        decode.answer(letters.Letters(), worlds.KEYS, [[[b"../../x", [], 0]]])


def test_the_error_names_the_operation() -> None:
    with pytest.raises(errors.InternalError, match="to Fetch"):
        decode.answer(base.Fetch("1-1"), worlds.KEYS, [7])
