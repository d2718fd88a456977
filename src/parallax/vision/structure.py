"""Limits on how a file is put together, checked before Pillow reads its header.

Pillow walks through the parts of a file (segments, chunks, blocks, directory entries) in Python and
keeps most of them, and joins some one by one. So a small file of very many parts, or of parts that
share their bytes, takes minutes or gigabytes while its picture is tiny. Each function looks at one
format, takes milliseconds, and leaves all other damage to the plugin.
"""

import re
import struct

from PIL import JpegImagePlugin

from parallax.vision import refusal

Data = bytes | memoryview

MAX_PARTS = 50_000
"""Chunks of a PNG, and segments of a JPEG before its first scan; the former take Pillow some 15
microseconds each."""
MAX_BLOCKS = 5_000
"""Blocks of a GIF before its first frame; they are joined one by one."""
MAX_HEADER = 16 << 20
"""Bytes of a JPEG before its first scan. Depth maps that phones put there take a few millions."""
MAX_SCANS = 1_000
"""Scans of a JPEG; a progressive one has some ten."""
MAX_SCANNED = 2_000_000_000
"""Pixels of all scans of a JPEG together: libjpeg goes over the whole picture in each."""
MAX_ENTRIES = 4_096
"""Entries of a TIFF directory."""
MAX_NUMBERS = 1 << 17
"""Numbers in one entry of a TIFF directory; each strip of a picture has one."""
MAX_TILE = 1 << 22
"""Pixels of a tile of a small TIFF; usual ones have 256x256."""
MAX_RUNS = 4 << 20
"""Bytes of a BMP with run lengths, which are read in Python, some two microseconds a run."""
MAX_RUN_PIXELS = 1 << 24
"""Pixels of such a BMP: what the runs leave out is filled one by one."""

_SCAN = re.compile(rb"\xff\xda")
_FIRST_SCAN = 0xFFDA
_FILL = 0xFFFF
_SEQUENTIAL = frozenset({0xFFC0, 0xFFC1})
"""Frames that are not progressive: SOF0 and SOF1."""
_PLAIN = frozenset({0xFFC4, 0xFFDB, 0xFFDD, 0xFFFE, *range(0xFFE0, 0xFFF0)})
"""What else a plain file has before its scan: DHT, DQT, DRI, COM and APPn."""
_UNSURE = 1 << 8
"""More components than a scan can name."""
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_SIZES |= {13: 4, 16: 8, 17: 8, 18: 8}
_TILE_SIDES = (322, 323)
"""Tags of the width and the length of tiles."""
_WHOLE = {3: "H", 4: "I"}
"""How types of whole numbers are unpacked."""
_TEXTS = frozenset({1, 2, 7})
"""Types of bytes, which stay as they are."""


def check_jpeg_header(data: Data) -> bool:
    """Refuse a JPEG with too much before its first scan.

    Returns:
        Whether that scan certainly holds all of the picture (a baseline JPEG with all components in
        it): then libjpeg looks at no other.

    Raises:
        BadImageError: too many segments, or too many bytes.
    """
    at, components = 2, 0
    for _ in range(MAX_PARTS):
        if at + 5 > len(data):
            return False
        marker = data[at] << 8 | data[at + 1]
        if marker == _FIRST_SCAN:
            break
        if marker in _SEQUENTIAL:
            components = data[at + 9] if at + 9 < len(data) and not components else _UNSURE
        elif marker not in _PLAIN:
            components = _UNSURE
        at += _jpeg_step(marker, data[at + 2] << 8 | data[at + 3])
    else:
        raise refusal.bad(f"a JPEG of more than {MAX_PARTS} segments")
    if at > MAX_HEADER:
        raise refusal.bad(f"a JPEG with more than {MAX_HEADER} bytes before its picture")
    return components == data[at + 4]


def _jpeg_step(marker: int, length: int) -> int:
    """Return how far Pillow goes on from two bytes, when ``length`` is what the next two say."""
    if marker == _FILL or marker >> 8 != _FILL & 0xFF:
        return 1
    handler = JpegImagePlugin.MARKER.get(marker, ("", "", None))[2]
    return 2 if handler is None else 2 + max(2, length)


def check_jpeg_scans(data: Data, size: tuple[int, int]) -> None:
    """Refuse a JPEG whose scans go over its ``size`` (width, height) too often.

    Raises:
        BadImageError: they do.
    """
    most = min(MAX_SCANS, MAX_SCANNED // max(1, size[0] * size[1]))
    for found, _ in enumerate(_SCAN.finditer(data), start=1):
        if found > max(1, most):
            raise refusal.bad(f"a JPEG of this size with more than {most} scans")


def check_png(data: Data) -> None:
    """Refuse a PNG of too many chunks (PNG specification, section 5.3).

    Raises:
        BadImageError: it has.
    """
    at, chunks = 8, 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        at += 12 + length
        chunks += 1
        if chunks > MAX_PARTS:
            raise refusal.bad(f"a PNG of more than {MAX_PARTS} chunks")


def check_gif(data: Data) -> None:
    """Refuse a GIF with too many blocks before its first frame (GIF89a, sections 15 to 26).

    Raises:
        BadImageError: it has.
    """
    flags = data[10] if len(data) > 10 else 0
    at, blocks = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0), 0
    inside = False
    while at < len(data):
        if inside:
            inside = data[at] != 0
            at += 1 + data[at]
        elif data[at] == 0x2C:
            return
        else:
            inside = data[at] == 0x21
            at += 2 if inside else 1
        blocks += 1
        if blocks > MAX_BLOCKS:
            raise refusal.bad(f"a GIF of more than {MAX_BLOCKS} blocks before its picture")


def check_tiff(data: Data) -> None:
    """Refuse a TIFF whose first directory holds more than a file of its size can (TIFF 6.0,
    section 2).

    Raises:
        BadImageError: too many entries or numbers, or entries that share their bytes.
    """
    sizes = [_entry_size(kind, count) for _, kind, count, _ in _tiff_entries(data)]
    if sum(sizes) > len(data):
        raise refusal.bad("a TIFF directory of more bytes than the file has")


def check_tiff_tiles(data: Data, size: tuple[int, int]) -> None:
    """Refuse a TIFF with tiles far larger than the picture of ``size`` (width, height): each is
    unpacked as a whole (TIFF 6.0, section 15).

    Raises:
        BadImageError: they are, or it cannot be seen how large they are.
    """
    sides = [1, 1]
    for tag, kind, count, value in _tiff_entries(data):
        if tag in _TILE_SIDES:
            if count != 1 or kind not in _WHOLE:
                raise refusal.bad("a TIFF whose tiles have no plain size")
            side = _TILE_SIDES.index(tag)
            sides[side] = max(sides[side], value)
    if sides[0] * sides[1] > max(MAX_TILE, 2 * size[0] * size[1]):
        raise refusal.bad(f"a TIFF of {size[0]}x{size[1]} in tiles of {sides[0]}x{sides[1]}")


def _tiff_entries(data: Data) -> list[tuple[int, int, int, int]]:
    """Return tag, type, count, and the first number of each entry of the first directory, as far
    as that number stands in the entry itself; none if the directory is cut off."""
    order = "<" if bytes(data[:1]) == b"I" else ">"
    big = data[3] == 43 or data[2] == 43
    try:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
        if count > MAX_ENTRIES:
            raise refusal.bad(f"a TIFF directory of {count} entries")
        entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
        places = [at + (8 if big else 2) + index * entry.size for index in range(count)]
        found = [entry.unpack_from(data, place) for place in places]
        return [
            (tag, kind, many, struct.unpack_from(order + _WHOLE.get(kind, "B"), value)[0])
            for tag, kind, many, value in found
        ]
    except (struct.error, OverflowError):
        return []


def check_bmp_runs(length: int, size: tuple[int, int]) -> None:
    """Refuse a BMP with run lengths that is large, in bytes or in its ``size`` (width, height).

    Raises:
        BadImageError: it is.
    """
    if length > MAX_RUNS or size[0] * size[1] > MAX_RUN_PIXELS:
        raise refusal.bad(
            f"a BMP with run lengths may have {MAX_RUNS} bytes and {MAX_RUN_PIXELS} pixels"
        )


def _entry_size(kind: int, count: int) -> int:
    if kind not in _TEXTS and count > MAX_NUMBERS:
        raise refusal.bad(f"a TIFF directory with {count} numbers in one entry")
    return _TIFF_SIZES.get(kind, 0) * count
