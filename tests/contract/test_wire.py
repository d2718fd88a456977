"""Messages as bytes: what is written is read back, and anything else is one named error."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import errors, messages, wire

ROUTE = messages.Route("r1", 0, "api", "node", 12.5, 900)
PARAMS = messages.DetectionParams(class_filter=("cat",))
GEOMETRY = messages.Geometry(640, 480, 0.5, 0.5, 0.0, 40.0)
TENSOR = messages.ArrayRef((320, 320, 3), "|u1", messages.SlotRef(1, 2, 3))

MESSAGES: list[messages.Work | messages.Reply] = [
    messages.PreWork(ROUTE, "m", PARAMS, messages.ImageOptions()),
    messages.InferWork(ROUTE, "m", "v", PARAMS, GEOMETRY, TENSOR, messages.Timings(1.0)),
    messages.PostWork(ROUTE, "m", "v", PARAMS, GEOMETRY, (TENSOR,), messages.Timings(1.0)),
    messages.Reply("r1", 0, "", "", messages.Timings(1.0, 2.0, 3.0, 4)),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_written_is_read_back(message: messages.Work | messages.Reply) -> None:
    assert wire.decode(type(message), wire.encode(message)) == message  # type: ignore[type-var]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_another_format_version_is_refused(message: messages.Work | messages.Reply) -> None:
    data = bytes([wire.FORMAT_VERSION + 1]) + wire.encode(message)[1:]
    with pytest.raises(errors.MalformedEntryError, match="format version"):
        wire.decode(type(message), data)  # type: ignore[type-var]


def test_text_that_is_no_utf_8_is_refused() -> None:
    data = wire.encode(MESSAGES[0]).replace(b"cat", b"c\xfft")
    with pytest.raises(errors.MalformedEntryError):
        wire.decode(messages.PreWork, data)


def test_one_kind_is_not_read_as_another() -> None:
    with pytest.raises(errors.MalformedEntryError, match="PostWork"):
        wire.decode(messages.PostWork, wire.encode(MESSAGES[0]))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_malformed_entry(
    message: messages.Work | messages.Reply, data: bytes
) -> None:
    for tried in (data, bytes([wire.FORMAT_VERSION]) + data):
        with contextlib.suppress(errors.MalformedEntryError):
            wire.decode(type(message), tried)  # type: ignore[type-var]
