"""Bytes of a stranger's picture -> RGB pixels, or one named error.

A decoder is the part of a vision server that meets hostile input first. So the format is told by
its signature and only that format's plugin runs, the size in the header is judged before any pixel
is decoded, and whatever a plugin raises leaves here as ``BadImageError``.
"""

import math
import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, TiffImagePlugin

from parallax.vision import exif, formats, jpeg, refusal, rgb

Pixels = NDArray[np.uint8]
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
    data: bytes | memoryview
    """The file as received."""


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
    return Picture(source, orientation, width, height, data)


def read(
    picture: Picture,
    width: int,
    height: int,
    area: Area | None = None,
    out: Pixels | None = None,
) -> Pixels:
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
        out: where to put it, uint8 (height, width, 3), for example a part of a larger array; None:
            into a new array.

    Returns:
        RGB (height, width, 3): ``out``, if given. May be read-only otherwise.

    Raises:
        BadImageError: the data is truncated or damaged.
    """
    sides = (picture.width, picture.height)
    stored = exif.as_stored(area or (0, 0, *sides), sides, picture.orientation)
    size = (width, height)
    turn = exif.TURNS.get(picture.orientation)
    if picture.orientation in exif.SWAPS_SIDES:
        size, sides = size[::-1], sides[::-1]
    with refusal.named_failures():
        box = _draft(picture.source, sides, size, stored)
        whole = box == (0.0, 0.0, float(size[0]), float(size[1])) and picture.source.size == size
        if whole and turn is None:
            return _placed(_pixels(picture, out), out)
        image = _image(picture)
        if not whole:
            image = image.resize(size, Image.Resampling.BILINEAR, box=box)
        return _placed(image if turn is None else image.transpose(turn), out)


def _draft(source: Image.Image, sides: tuple[int, int], size: tuple[int, int], area: Area) -> Area:
    """Choose the scale to decode at, and say where ``area`` lies in what will be decoded.

    ``sides`` are those of the picture and ``size`` is wanted of the area, all as stored.
    """
    left, top, right, bottom = area
    # A hair less, because the quotient of two floats may lie a hair above the whole number.
    needed_w = math.ceil(sides[0] * size[0] / (right - left) - 1e-6)
    needed_h = math.ceil(sides[1] * size[1] / (bottom - top) - 1e-6)
    drafted = source.draft("RGB", (max(1, needed_w), max(1, needed_h)))
    if drafted is None:
        source.load()  # a TIFF has its size, turned, only then
    # The reduced picture is rounded up to whole pixels; this is what the original covers of it.
    covers_w, covers_h = drafted[1][2:] if drafted else source.size
    return (
        left * covers_w / sides[0],
        top * covers_h / sides[1],
        right * covers_w / sides[0],
        bottom * covers_h / sides[1],
    )


def _pixels(picture: Picture, out: Pixels | None) -> Image.Image | Pixels:
    """Decode the picture as it is drafted, if possible into ``out``."""
    found = None
    if isinstance(picture.source, JpegImagePlugin.JpegImageFile):
        found = jpeg.pixels(picture.data, picture.source, out)
    return _by_pillow(picture.source) if found is None else found


def _image(picture: Picture) -> Image.Image:
    """Decode the picture as it is drafted, for Pillow to work on."""
    found = None
    if isinstance(picture.source, JpegImagePlugin.JpegImageFile):
        found = jpeg.image(picture.data, picture.source)
    return _by_pillow(picture.source) if found is None else found


def _by_pillow(source: Image.Image) -> Image.Image:
    source.load()
    return rgb.to_rgb(source)


def _placed(found: Image.Image | Pixels, out: Pixels | None) -> Pixels:
    """Return the picture as an array of three channels, in ``out`` if that is given."""
    pixels: Pixels = np.asarray(found, np.uint8)
    if pixels.shape[2] == 4:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB, dst=out), np.uint8)
    if out is None or np.may_share_memory(pixels, out):
        return pixels
    out[...] = pixels
    return out


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
