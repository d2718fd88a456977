"""Which decoder reads a file: told by its signature, and by nothing a client says.

Plugins are constructed directly and not through ``Image.open``: for bytes it does not know, that
imports every plugin Pillow has, and it follows multi-picture JPEGs into yet another one.
"""

import io
from collections.abc import Callable
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from parallax.contract import decoding
from parallax.vision import npy, refusal, structure, webp

FORMATS = ("JPEG", "PNG", "WebP", "BMP", "TIFF", "GIF", "NPY")

# The limit is ours (``max_pixels``); Pillow's own, a warning at 89 million pixels and an error at
# twice that, would contradict a higher one.
Image.MAX_IMAGE_PIXELS = None

Data = bytes | memoryview
Opener = Callable[[Data, int], Image.Image]
"""From a file and the largest number of pixels to a picture; animations give their first frame."""


def open_image(data: Data, max_pixels: int) -> Image.Image:
    """Read the header of a file; most decoders read the pixels when they are asked for.

    Raises:
        BadImageError: empty, of no known format, or too large (see ``refusal.check_size``).
        Exception: whatever the format's plugin raises for a damaged header.
    """
    image = _opener(bytes(data[:16]))(data, max_pixels)
    refusal.check_size(image.size, max_pixels)
    return image


def _opener(head: bytes) -> Opener:
    if not head:
        raise refusal.bad("no data")
    for signature, opener in _SIGNATURES:
        if head.startswith(signature):
            return opener
    raise refusal.bad(f"not a picture of a known format ({', '.join(FORMATS)})")


class _Jpeg(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Read nothing: all entries of the EXIF block would be, and they may share their bytes, so
        that a megabyte becomes a terabyte."""


def _jpeg(data: Data, _max_pixels: int) -> Image.Image:
    one_scan = structure.check_jpeg_header(data)
    image = _Jpeg(io.BytesIO(data))
    if not one_scan:
        structure.check_jpeg_scans(data, image.size)
    return image


def _bmp(data: Data, _max_pixels: int) -> Image.Image:
    image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    if image.tile and image.tile[0].codec_name == "bmp_rle":
        structure.check_bmp_runs(len(data), image.size)
    return image


def _tiff(data: Data, _max_pixels: int) -> Image.Image:
    structure.check_tiff(data)
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    structure.check_tiff_tiles(data, image.size)
    return image


def _checked(check: Callable[[Data], None], plugin: Callable[[BinaryIO], Image.Image]) -> Opener:
    """Return the opener of a plugin that reserves nothing before it decodes."""

    def opened(data: Data, _max_pixels: int) -> Image.Image:
        check(data)
        return plugin(io.BytesIO(data))

    return opened


def _webp(data: Data, max_pixels: int) -> Image.Image:
    # libwebp reserves its canvas while it opens the file, so the size is read by hand.
    if not WebPImagePlugin.SUPPORTED:
        raise refusal.bad("WebP is not supported by this build of Pillow")
    refusal.check_size(webp.size(data), max_pixels)
    return WebPImagePlugin.WebPImageFile(io.BytesIO(data))


_png = _checked(structure.check_png, PngImagePlugin.PngImageFile)
_gif = _checked(structure.check_gif, GifImagePlugin.GifImageFile)

_SIGNATURES: tuple[tuple[bytes, Opener], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"II*\x00", _tiff),
    (b"MM\x00*", _tiff),
    (b"II+\x00", _tiff),
    (b"MM\x00+", _tiff),
    (decoding.NPY_SIGNATURE, npy.read),
)
