"""The size of a WebP picture from its header, without libwebp.

libwebp's animation decoder, which Pillow uses, reserves two canvases as soon as it sees a file; a
40-byte file could claim two gigabytes before anyone had compared its size with a limit.
"""

import struct

from parallax.vision import refusal

_DAMAGED = "damaged WebP header"


def size(data: bytes | memoryview) -> tuple[int, int]:
    """Return (width, height) in pixels of a WebP file (RFC 9649, sections 2.5 to 2.7).

    Raises:
        BadImageError: the header is cut short or of an unknown kind.
    """
    head = bytes(data[:30])
    readers = {b"VP8 ": _lossy, b"VP8L": _lossless, b"VP8X": _extended}
    reader = readers.get(head[12:16])
    if head[8:12] != b"WEBP" or reader is None:
        raise refusal.bad(_DAMAGED)
    try:
        return reader(head)
    except struct.error as problem:
        raise refusal.bad(_DAMAGED) from problem


def _lossy(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _lossless(head: bytes) -> tuple[int, int]:
    (bits,) = struct.unpack_from("<I", head, 21)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _extended(head: bytes) -> tuple[int, int]:
    low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", head, 24)
    return (high_w << 16 | low_w) + 1, (high_h << 16 | low_h) + 1
