"""Messages to and from the bytes of a stream entry.

A version byte leads, so that a rolling upgrade or a stranger's entry is refused and not misread.
"""

from typing import TypeVar

import msgspec

from parallax.contract import errors, messages

FORMAT_VERSION = 3

_PREFIX = bytes([FORMAT_VERSION])
_encoder = msgspec.msgpack.Encoder()

_Message = TypeVar(
    "_Message", messages.PreWork, messages.InferWork, messages.PostWork, messages.Reply
)
_decoders: dict[type[msgspec.Struct], msgspec.msgpack.Decoder[msgspec.Struct]] = {
    kind: msgspec.msgpack.Decoder(kind)
    for kind in (messages.PreWork, messages.InferWork, messages.PostWork, messages.Reply)
}


def encode(message: messages.Work | messages.Reply) -> bytes:
    """Return the message as bytes, led by the format version."""
    return _PREFIX + _encoder.encode(message)


def decode(kind: type[_Message], data: bytes) -> _Message:
    """Return the message of the expected kind.

    Raises:
        MalformedEntryError: wrong format version, or a field missing or of the wrong type.
    """
    if data[:1] != _PREFIX:
        raise errors.MalformedEntryError(
            f"entry has format version {data[0] if data else 'none'}, expected {FORMAT_VERSION}"
        )
    try:
        return _decoders[kind].decode(memoryview(data)[1:])  # type: ignore[return-value]
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise errors.MalformedEntryError(f"entry is not a {kind.__name__}: {problem}") from problem
