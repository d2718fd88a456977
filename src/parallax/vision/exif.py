"""The one EXIF field that changes pixels: the orientation.

Read by hand, because Pillow parses the whole block (thumbnails, maker notes) and raises in many
ways on a damaged one; a damaged block must not make a good picture unreadable.
"""

import struct

from PIL import Image

ORIENTATION_TAG = 0x0112
SWAPS_SIDES = frozenset({5, 6, 7, 8})
INVERSE = {6: 8, 8: 6}
"""Orientations that do not undo themselves."""

TURNS: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture stored with an orientation upright (EXIF 2.32, tag 274)."""

_FLIPS: dict[int, tuple[bool, bool]] = {
    1: (False, False),
    2: (True, False),
    3: (True, True),
    4: (False, True),
    5: (False, False),
    6: (True, False),
    7: (True, True),
    8: (False, True),
}
"""Whether the upright picture's x and y run against the stored picture's sides."""

_MARKER = b"Exif\x00\x00"
_ENTRY_SIZE = 12
_SHORT = 3


def orientation(block: bytes) -> int:
    """Return the orientation (1 to 8) in an EXIF block, with or without its marker.

    1, "as stored", when the block has none or is damaged. Layout: TIFF 6.0, section 2.
    """
    tiff = block[len(_MARKER) :] if block.startswith(_MARKER) else block
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        value = _first_directory(tiff, order)
    except struct.error:
        return 1
    return value if value in TURNS else 1


def as_stored(
    area: tuple[float, float, float, float], sides: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Say where an area of the upright picture lies in the picture as stored.

    Args:
        area: left, top, right, bottom.
        sides: width and height of the upright picture.
        orientation: 1 to 8.
    """
    left, top, right, bottom = area
    flip_x, flip_y = _FLIPS[orientation]
    if flip_x:
        left, right = sides[0] - right, sides[0] - left
    if flip_y:
        top, bottom = sides[1] - bottom, sides[1] - top
    swapped = orientation in SWAPS_SIDES
    return (top, left, bottom, right) if swapped else (left, top, right, bottom)


def _first_directory(tiff: bytes, order: str) -> int:
    (offset,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, offset)
    for index in range(count):
        at = offset + 2 + index * _ENTRY_SIZE
        tag, kind = struct.unpack_from(order + "HH", tiff, at)
        if tag == ORIENTATION_TAG and kind == _SHORT:
            (value,) = struct.unpack_from(order + "H", tiff, at + 8)
            return int(value)
    return 1
