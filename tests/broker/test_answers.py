"""Replies as they are read out of a mailbox."""

import pytest

from parallax.broker import answers, base
from parallax.contract import errors, messages, wire

REPLY = messages.Reply("r1", 2, "", "", messages.Timings(pre_ms=1.0))


def delivered(reply: bytes, code: str = "", message: str = "") -> base.ReplyEntry:
    return base.ReplyEntry("1-0", "r1", 2, reply, code, message, b"")


def test_a_stages_reply_is_read() -> None:
    assert answers.read(delivered(wire.encode(REPLY))) == REPLY


def test_a_scripts_reply_is_its_code_and_message() -> None:
    reply = answers.read(delivered(b"", "poisoned", "three workers were lost"))
    assert (reply.request, reply.item) == ("r1", 2)
    assert (reply.code, reply.message) == ("poisoned", "three workers were lost")


def test_a_reply_that_says_nothing_is_an_internal_error() -> None:
    assert answers.read(delivered(b"")).code == "internal"


@pytest.mark.parametrize(
    "content", [b"\x07garbage", wire.encode(messages.Reply("r2", 2, "", "", messages.Timings()))]
)
def test_garbage_and_what_is_addressed_to_another_is_refused(content: bytes) -> None:
    with pytest.raises(errors.MalformedEntryError):
        answers.read(delivered(content))
