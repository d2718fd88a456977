"""The size in a WebP header, for each of the three kinds of file."""

import struct

import pytest

from parallax.contract import errors
from parallax.vision import webp


def file(kind: bytes, payload: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + payload


def test_lossy() -> None:
    head = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", 0x4000 | 550, 368)
    assert webp.size(file(b"VP8 ", head)) == (550, 368)


def test_lossless() -> None:
    bits = (386 - 1) | (395 - 1) << 14 | 1 << 28
    assert webp.size(file(b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(5))) == (386, 395)


def test_extended() -> None:
    sides = (16_777_215).to_bytes(3, "little") + (299).to_bytes(3, "little")
    assert webp.size(file(b"VP8X", bytes(4) + sides)) == (16_777_216, 300)


@pytest.mark.parametrize(
    "data", [b"RIFF", file(b"VP8 ", b""), file(b"VP8L", b"\x2f"), file(b"ICCP", bytes(20))]
)
def test_a_damaged_header_is_a_bad_image(data: bytes) -> None:
    with pytest.raises(errors.BadImageError, match="damaged WebP header"):
        webp.size(data)
