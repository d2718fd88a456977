"""Bytes of a stranger's picture -> RGB pixels, or one named error.

A decoder is the part of a vision server that meets hostile input first. So the format is told by
its signature and only that format's plugin runs, the size in the header is judged before any pixel
is decoded, and whatever a plugin raises leaves here as ``BadImageError``. Plugins are constructed
directly and not through ``Image.open``: for bytes it does not know, that imports every plugin
Pillow has, and it follows multi-picture JPEGs into yet another one.
"""

import io
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from parallax.contract import errors
from parallax.vision import exif, webp

PREFIX = "Could not load input image. Cause: "
FORMATS = ("JPEG", "PNG", "WebP", "BMP", "TIFF", "GIF")

# The limit is ours (``max_pixels``, checked on the header below); Pillow's own, a warning at 89
# million pixels and an error at twice that, would contradict a higher one.
Image.MAX_IMAGE_PIXELS = None

_MAX_CAUSE = 200

_STRIP_PIXELS = 1 << 20
"""Pixels of a deep picture that are brought to 8 bits at a time."""

_SIGNATURES: tuple[tuple[bytes, Callable[[BinaryIO], ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"GIF87a", GifImagePlugin.GifImageFile),
    (b"GIF89a", GifImagePlugin.GifImageFile),
    (b"II*\x00", TiffImagePlugin.TiffImageFile),
    (b"MM\x00*", TiffImagePlugin.TiffImageFile),
    (b"II+\x00", TiffImagePlugin.TiffImageFile),
    (b"MM\x00+", TiffImagePlugin.TiffImageFile),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture whose header was read and found acceptable; its pixels are not decoded yet."""

    source: ImageFile.ImageFile
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
        BadImageError: empty, of no known format, with a broken header, or over ``max_pixels``.
    """
    with _named_failures():
        opener = _opener(bytes(data[:16]))
        if opener is WebPImagePlugin.WebPImageFile:
            # libwebp reserves its canvas while it opens the file, so this size is read by hand.
            if not WebPImagePlugin.SUPPORTED:
                raise _bad("WebP is not supported by this build of Pillow")
            _check_size(webp.size(data), max_pixels)
        source = opener(io.BytesIO(data))
        _check_size(source.size, max_pixels)
        orientation = _orientation_left(source, auto_orient)
    width, height = source.size
    if orientation in exif.SWAPS_SIDES:
        width, height = height, width
    return Picture(source, orientation, width, height)


def read(picture: Picture, width: int, height: int) -> Image.Image:
    """Decode and resize (bilinear) an opened picture, once.

    A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that is not below the wanted size, which
    libjpeg does in the frequency domain at a fraction of the cost. The turn comes last, on the
    small picture.

    Args:
        picture: from ``open_picture``.
        width: wanted width in pixels, in the orientation of ``picture.width``.
        height: wanted height in pixels.

    Returns:
        An RGB image of exactly ``width x height``.

    Raises:
        BadImageError: the data is truncated or damaged.
    """
    swapped = picture.orientation in exif.SWAPS_SIDES
    size = (height, width) if swapped else (width, height)
    with _named_failures():
        source = picture.source
        drafted = source.draft("RGB", size)
        source.load()
        image = _to_rgb(source)
        if image.size != size:
            # The reduced picture is rounded up to whole pixels; the box is what the original
            # covers.
            box = drafted[1] if drafted else None
            image = image.resize(size, Image.Resampling.BILINEAR, box=box)
        turn = exif.TURNS.get(picture.orientation)
        return image if turn is None else image.transpose(turn)


def _bad(cause: str) -> errors.BadImageError:
    return errors.BadImageError(PREFIX + cause)


@contextmanager
def _named_failures() -> Iterator[None]:
    """Turn whatever a decoder raises or warns of into ``BadImageError`` or silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except errors.BadImageError:
            raise
        except Exception as problem:
            cause = str(problem)[:_MAX_CAUSE] or type(problem).__name__
            raise _bad(cause) from problem


def _opener(head: bytes) -> Callable[[BinaryIO], ImageFile.ImageFile]:
    if not head:
        raise _bad("no data")
    for signature, opener in _SIGNATURES:
        if head.startswith(signature):
            return opener
    raise _bad(f"not a picture of a known format ({', '.join(FORMATS)})")


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise _bad(f"the picture has no pixels ({width}x{height})")
    if width * height > max_pixels:
        raise _bad(f"{width}x{height} is {width * height} pixels, the limit is {max_pixels} pixels")


def _orientation_left(source: ImageFile.ImageFile, auto_orient: bool) -> int:
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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return the picture as 8-bit RGB: alpha dropped, grey repeated, deep channels scaled down."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _to_eight_bits(image).convert("RGB")
    # With the entry present, convert() would blend or warn; like OpenCV we ignore transparency.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Return a deep grey picture as mode L.

    Integers keep their high byte of 16, as ``IMREAD_COLOR`` of OpenCV does; floats are taken as 0
    to 1 when none is larger, else as 0 to 255. Strip by strip, because the whole picture in
    floating point takes several times the memory of the decoded one.
    """
    result = np.empty((image.height, image.width), np.uint8)
    scale = 1.0
    if image.mode == "F" and max(float(strip.max()) for _, strip in _strips(image)) <= 1.0:
        scale = 255.0
    for top, strip in _strips(image):
        if image.mode == "F":
            eight = np.clip(np.rint(strip * scale), 0, 255)
        else:
            eight = np.clip(strip, 0, 65535) >> 8
        result[top : top + len(strip)] = eight
    return Image.fromarray(result)


def _strips(image: Image.Image) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the picture in strips with their first row; floats without infinities or NaN."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        values = np.asarray(image.crop((0, top, image.width, bottom)))
        if image.mode == "F":
            values = np.nan_to_num(values, nan=0.0, posinf=255.0, neginf=0.0)
        yield top, values
