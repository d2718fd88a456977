"""Damaged files of every format and kind are refused or read, and nothing else happens."""

import contextlib

import cv2
import numpy as np
import pytest
from PIL import Image

from parallax.contract import errors
from parallax.vision import decode
from tests.support import pictures
from tests.support.pictures import encoded, gradient, noise

LIMIT = 1_000_000
FRAMES: dict[str, object] = {"save_all": True, "append_images": [noise(seed=1)]}

TAGS = Image.Exif()
TAGS[0x0112] = 6

FILES = {
    "jpeg": encoded(noise(), "JPEG", exif=TAGS),
    "progressive jpeg": encoded(gradient(), "JPEG", progressive=True),
    "cmyk jpeg": encoded(gradient().convert("CMYK"), "JPEG"),
    "png": encoded(noise(), "PNG", exif=TAGS),
    "deep png": cv2.imencode(".png", np.asarray(noise()).astype(np.uint16) * 257)[1].tobytes(),
    "palette png": encoded(gradient().quantize(16), "PNG", transparency=bytes(16)),
    "apng": encoded(noise(), "PNG", **FRAMES),
    "gif": encoded(gradient(), "GIF"),
    "animated gif": encoded(noise(), "GIF", **FRAMES),
    "bmp": encoded(gradient(), "BMP"),
    "tiff": encoded(noise(), "TIFF", exif=TAGS),
    "lzw tiff": encoded(gradient(), "TIFF", compression="tiff_lzw"),
    "jpeg tiff": encoded(gradient(), "TIFF", compression="jpeg"),
    "fax tiff": encoded(gradient().convert("1"), "TIFF", compression="group4"),
    "paged tiff": encoded(noise(), "TIFF", **FRAMES),
    "npy": pictures.npy(np.asarray(noise())),
}
if pictures.HAS_WEBP:
    FILES["webp"] = encoded(noise(), "WEBP")
    FILES["lossless webp"] = encoded(gradient(), "WEBP", lossless=True, exif=TAGS)
    FILES["animated webp"] = encoded(noise(), "WEBP", **FRAMES)


def read(data: bytes) -> None:
    picture = decode.open_picture(data, LIMIT)
    decode.read(picture, 20, 20, (0, 0, picture.width / 2, picture.height / 2))


@pytest.mark.parametrize("kind", FILES)
def test_the_file_itself_is_read(kind: str) -> None:
    read(FILES[kind])


@pytest.mark.parametrize("kind", FILES)
def test_files_cut_anywhere(kind: str) -> None:
    data = FILES[kind]
    ends = [*range(min(64, len(data))), *np.linspace(64, len(data) - 1, 60, dtype=int)]
    for end in ends:
        with contextlib.suppress(errors.BadImageError):
            read(data[:end])


@pytest.mark.parametrize("kind", FILES)
def test_files_with_flipped_bits(kind: str) -> None:
    data, random = FILES[kind], np.random.default_rng(len(kind))
    for flips in range(300):
        damaged = bytearray(data)
        # Headers are where decoders trip, so half of the damage goes there.
        reach = min(len(data), 120) if flips % 2 else len(data)
        for place in random.integers(0, reach, 1 + flips % 5):
            damaged[place] ^= 1 << int(random.integers(8))
        with contextlib.suppress(errors.BadImageError):
            read(bytes(damaged))


@pytest.mark.parametrize("kind", FILES)
def test_files_with_a_block_of_another_file(kind: str) -> None:
    data, random = FILES[kind], np.random.default_rng(0)
    for donor in FILES.values():
        start, end = sorted(random.integers(0, min(len(data), len(donor)), 2))
        with contextlib.suppress(errors.BadImageError):
            read(data[:start] + donor[start:end] + data[end:])
