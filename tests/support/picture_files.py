"""One small real file of every format and kind, made here: most by Pillow and OpenCV, and by hand
the kinds that neither of them writes.
"""

import struct
import zlib
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support import pictures
from tests.support.pictures import encoded, gradient, noise

Pixels = NDArray[np.uint8]

_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""First column and row of each pass, and the steps to the next."""
_SHORT, _LONG = 3, 4
_TILE = 16


def png(header: tuple[int, int, int, int], interlaced: bool, data: bytes) -> bytes:
    """Return a PNG file.

    Args:
        header: width, height, bits per channel and color type.
        interlaced: say that it is.
        data: filtered rows, not compressed yet.
    """
    start = struct.pack(">IIBBBBB", *header, 0, 0, interlaced)
    chunks = ((b"IHDR", start), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def interlaced_png(pixels: Pixels) -> bytes:
    """Return (h, w, 3) RGB as a PNG in seven passes."""
    height, width = pixels.shape[:2]
    rows = (row for x, y, dx, dy in _ADAM7 for row in pixels[y::dy, x::dx])
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    return png((width, height, 8, 2), True, data)


def rle_bmp(grey: Pixels) -> bytes:
    """Return (h, w) grey values as a BMP with run lengths."""
    rows = []
    for row in grey[::-1]:
        starts = np.flatnonzero(np.diff(row, prepend=~row[:1]))
        counts = np.diff(starts, append=row.size)
        rows.append(np.stack([counts, row[starts]], 1).astype(np.uint8).tobytes() + b"\0\0")
    data = b"".join(rows)[:-2] + b"\0\1"
    palette = b"".join(bytes((value, value, value, 0)) for value in range(256))
    offset = 14 + 40 + len(palette)
    height, width = grey.shape
    return (
        struct.pack("<2sIHHI", b"BM", offset + len(data), 0, 0, offset)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 2835, 2835, 256, 0)
        + palette
        + data
    )


def tiled_tiff(pixels: Pixels) -> bytes:
    """Return (h, w, 3) RGB as a TIFF of deflated tiles; both sides are multiples of a tile's."""
    height, width = pixels.shape[:2]
    tiles = [
        zlib.compress(pixels[top : top + _TILE, left : left + _TILE].tobytes())
        for top in range(0, height, _TILE)
        for left in range(0, width, _TILE)
    ]
    sizes = [len(tile) for tile in tiles]
    places = [8 + sum(sizes[:index]) for index in range(len(tiles))]
    arrays = {258: (_SHORT, [8, 8, 8]), 324: (_LONG, places), 325: (_LONG, sizes)}
    plain = {256: width, 257: height, 259: 8, 262: 2, 277: 3, 322: _TILE, 323: _TILE}
    body = b"".join(tiles)
    entries = {tag: struct.pack("<HHII", tag, _LONG, 1, value) for tag, value in plain.items()}
    for tag, (kind, values) in arrays.items():
        at, letter = 8 + len(body), "H" if kind == _SHORT else "I"
        body += struct.pack(f"<{len(values)}{letter}", *values)
        entries[tag] = struct.pack("<HHII", tag, kind, len(values), at)
    index = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + index + bytes(4)


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def _by_opencv(kind: str, pixels: NDArray[np.integer | np.floating]) -> bytes:
    done, data = cv2.imencode(kind, pixels)
    assert done
    return data.tobytes()


_RGB: Pixels = np.asarray(gradient())
_GREY: Pixels = np.asarray(gradient().convert("L"))
_DEEP = _RGB.astype(np.uint16) * 257
_TAGS = Image.Exif()
_TAGS[0x0112] = 6
_FRAMES: Mapping[str, object] = {"save_all": True, "append_images": [noise(48, 32)]}


def _webp() -> dict[str, bytes]:
    return {
        "webp": encoded(gradient(), "WEBP", exif=_TAGS),
        "lossless webp": encoded(gradient(), "WEBP", lossless=True),
        "animated webp": encoded(gradient(), "WEBP", **_FRAMES),
        "webp with alpha": encoded(gradient().convert("RGBA"), "WEBP"),
    }


def _tiff() -> dict[str, bytes]:
    modes = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    files = {f"{mode} tiff": encoded(gradient(), "TIFF", compression=mode) for mode in modes}
    return files | {
        "tiff": encoded(gradient(), "TIFF", exif=_TAGS),
        "tiff of tiles": tiled_tiff(_RGB),
        "tiff of pages": encoded(gradient(), "TIFF", **_FRAMES),
        "fax tiff": encoded(gradient().convert("1"), "TIFF", compression="group4"),
        "deep tiff": _by_opencv(".tiff", _DEEP),
        "float tiff": _by_opencv(".tiff", _GREY.astype(np.float32)),
    }


def _png() -> dict[str, bytes]:
    return {
        "png": encoded(gradient(), "PNG", exif=_TAGS),
        "grey png": encoded(gradient().convert("L"), "PNG"),
        "png with alpha": encoded(gradient().convert("RGBA"), "PNG"),
        "palette png": encoded(gradient().quantize(16), "PNG", transparency=bytes(16)),
        "png of one bit": encoded(gradient().convert("1"), "PNG"),
        "deep png": _by_opencv(".png", _DEEP),
        "deep grey png": _by_opencv(".png", _DEEP[..., 0]),
        "interlaced png": interlaced_png(_RGB),
        "animated png": encoded(gradient(), "PNG", **_FRAMES),
    }


def _rest() -> dict[str, bytes]:
    return {
        "jpeg": encoded(gradient(), "JPEG", exif=_TAGS),
        "grey jpeg": encoded(gradient().convert("L"), "JPEG"),
        "progressive jpeg": encoded(gradient(), "JPEG", progressive=True),
        "cmyk jpeg": encoded(gradient().convert("CMYK"), "JPEG"),
        "bmp": encoded(gradient(), "BMP"),
        "palette bmp": encoded(gradient().quantize(16), "BMP"),
        "rle bmp": rle_bmp(_GREY // 32 * 32),
        "gif": encoded(gradient(), "GIF"),
        "animated gif": encoded(gradient(), "GIF", **_FRAMES),
        "npy": pictures.npy(_RGB),
        "grey npy": pictures.npy(_GREY),
    }


_MAKERS: tuple[Callable[[], dict[str, bytes]], ...] = (
    _rest,
    _png,
    _tiff,
    *((_webp,) if pictures.HAS_WEBP else ()),
)

FILES: Mapping[str, bytes] = {name: data for make in _MAKERS for name, data in make().items()}
"""By kind; each shows 48 x 32 pixels, before its orientation is applied."""
