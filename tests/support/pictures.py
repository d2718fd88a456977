"""Small pictures in every file format, and what our decoder and OpenCV's make of them."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from parallax.vision import decode

LIMIT = 50_000_000
HAS_WEBP = bool(features.check("webp"))
"""Pillow-SIMD leaves WebP out where libwebp's headers were missing."""

Pixels = NDArray[np.uint8]


def gradient(width: int = 48, height: int = 32) -> Image.Image:
    """A picture that no flip or turn leaves as it is."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=2).astype(np.uint8))


def noise(width: int = 80, height: int = 60, seed: int = 0) -> Image.Image:
    """A picture that does not compress."""
    shape = (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def npy(pixels: NDArray[np.generic]) -> bytes:
    """Return a ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, pixels)
    return file.getvalue()


def decoded(data: bytes, *, auto_orient: bool = True) -> Pixels:
    """Return all pixels as our decoder reads them, (h, w, 3) RGB."""
    picture = decode.open_picture(data, LIMIT, auto_orient=auto_orient)
    return decode.read(picture, picture.width, picture.height)


def by_opencv(data: bytes) -> Pixels:
    """Return all pixels as OpenCV reads them, (h, w, 3) RGB."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels[..., ::-1], np.uint8)


def difference(a: Pixels, b: Pixels) -> int:
    """Return the largest difference of two values."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())
