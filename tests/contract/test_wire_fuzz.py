"""Messages that were good once: whatever was done to their bytes, they are read or malformed."""

import contextlib

import hypothesis
from hypothesis import strategies as st

from parallax.contract import errors, messages, wire
from tests.contract import test_wire

TOKENS = (
    *(
        b"\xc0",
        b"\xc1",
        b"\xc2",
        b"\xcb" + b"\xff" * 8,
        b"\xcf" + b"\xff" * 8,
        b"\xd3\x80" + bytes(7),
    ),
    *(
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\x7f\xff\xff\xff",
    ),
    *(
        b"\x91" * 2000,
        b"\x81" * 2000,
        b"\xd4\xff\x00",
        b"\xa4\xff\xfe\xfd\xfc",
        b"\x90",
        b"\x80",
        b"\xff",
    ),
)
"""Values of MessagePack: nothing, NaN, the largest, the longest, the deepest, extensions."""


@hypothesis.settings(max_examples=300)
@hypothesis.given(
    message=st.sampled_from(test_wire.MESSAGES),
    edits=st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.sampled_from(TOKENS) | st.binary(max_size=3),
            st.integers(0, 9),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_damaged_message_is_read_or_malformed(
    message: messages.Work | messages.Reply, edits: list[tuple[float, bytes, int]]
) -> None:
    data = wire.encode(message)
    for place, content, dropped in edits:
        at = 1 + int(place * (len(data) - 1))
        data = data[:at] + content + data[at + dropped :]
    for kind in (messages.PreWork, messages.InferWork, messages.PostWork, messages.Reply):
        with contextlib.suppress(errors.MalformedEntryError):
            found = wire.decode(kind, data)  # type: ignore[type-var]
            again = wire.decode(kind, wire.encode(found))  # type: ignore[type-var, arg-type]
            assert repr(again) == repr(found)
