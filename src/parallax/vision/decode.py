"""Bytes of a stranger's picture -> RGB pixels, or one named error.

A decoder is the part of a vision server that meets hostile input first. So the format is told by
its signature and only that format's plugin runs, the size in the header is judged before any pixel
is decoded, and whatever a plugin raises leaves here as ``BadImageError``.
"""

import math
import struct
from dataclasses import dataclass

from PIL import Image, TiffImagePlugin

from parallax.vision import exif, formats, refusal, rgb

Area = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of a picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture whose header was read and found acceptable; its pixels are not decoded yet."""

    source: Image.Image
    orientation: int
    """EXIF orientation (1 to 8) still to be applied after decoding."""
    width: int
    """Pixels of the original, after orientation."""
    height: int


def open_picture(data: bytes | memoryview, max_pixels: int, *, auto_orient: bool = True) -> Picture:
    """Read the header of an encoded picture.

    Args:
        data: the file as received.
        max_pixels: largest width times height that may be decoded.
        auto_orient: turn the picture as its EXIF orientation says.

    Raises:
        BadImageError: empty, of no known format, with a broken header, over ``max_pixels``, or with
            a side over ``refusal.MAX_SIDE``.
    """
    with refusal.named_failures():
        source = formats.open_image(data, max_pixels)
        orientation = _orientation_left(source, auto_orient)
    width, height = source.size
    if orientation in exif.SWAPS_SIDES:
        width, height = height, width
    return Picture(source, orientation, width, height)


def read(picture: Picture, width: int, height: int, area: Area | None = None) -> Image.Image:
    """Decode and resize (bilinear, averaging where it shrinks) an opened picture, once.

    A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that is not below the wanted size, which
    libjpeg does in the frequency domain at a fraction of the cost. The turn comes last, on the
    small picture. At the picture's own size all of it is decoded and nothing is resized.

    Args:
        picture: from ``open_picture``.
        width: wanted width in pixels, in the orientation of ``picture.width``.
        height: wanted height in pixels.
        area: the part of the picture that becomes ``width x height``, in the same orientation;
            None: all of it.

    Returns:
        An RGB image of exactly ``width x height``.

    Raises:
        BadImageError: the data is truncated or damaged.
    """
    sides = (picture.width, picture.height)
    stored = exif.as_stored(area or (0, 0, *sides), sides, picture.orientation)
    size = (width, height)
    if picture.orientation in exif.SWAPS_SIDES:
        size, sides = size[::-1], sides[::-1]
    with refusal.named_failures():
        image = _decoded(picture.source, sides, size, stored)
        turn = exif.TURNS.get(picture.orientation)
        return image if turn is None else image.transpose(turn)


def _decoded(
    source: Image.Image, sides: tuple[int, int], size: tuple[int, int], area: Area
) -> Image.Image:
    """Return ``area`` of a picture of ``sides`` as an RGB image of ``size``, all as stored."""
    left, top, right, bottom = area
    # A hair less, because the quotient of two floats may lie a hair above the whole number.
    needed_w = math.ceil(sides[0] * size[0] / (right - left) - 1e-6)
    needed_h = math.ceil(sides[1] * size[1] / (bottom - top) - 1e-6)
    drafted = source.draft("RGB", (max(1, needed_w), max(1, needed_h)))
    source.load()
    image = rgb.to_rgb(source)
    # The reduced picture is rounded up to whole pixels; this is what the original covers of it.
    covers_w, covers_h = drafted[1][2:] if drafted else source.size
    scaled = (
        left * covers_w / sides[0],
        top * covers_h / sides[1],
        right * covers_w / sides[0],
        bottom * covers_h / sides[1],
    )
    if scaled == (0.0, 0.0, float(size[0]), float(size[1])) and image.size == size:
        return image
    return image.resize(size, Image.Resampling.BILINEAR, box=scaled)


def _orientation_left(source: Image.Image, auto_orient: bool) -> int:
    """Return the EXIF orientation that is to be applied once Pillow has decoded the picture."""
    if isinstance(source, TiffImagePlugin.TiffImageFile):
        # Pillow turns a TIFF by itself while loading; here "left as stored" means turning it back.
        stored = _tiff_orientation(source)
        return 1 if auto_orient else exif.INVERSE.get(stored, stored)
    if not auto_orient:
        return 1
    block = source.info.get("exif")
    return exif.orientation(block) if isinstance(block, bytes) else 1


def _tiff_orientation(source: TiffImagePlugin.TiffImageFile) -> int:
    try:
        stored = source.tag_v2.get(exif.ORIENTATION_TAG, 1)
    except (KeyError, ValueError, TypeError, IndexError, struct.error):
        return 1
    return stored if stored in exif.TURNS else 1
