"""Pixels in a ``.npy`` file, which some clients send in place of an encoded picture.

Only the plain form of the format is read: 8-bit numbers behind a short header. A pickled array
would run a stranger's code, so it is refused by its type before anything of it is read.
"""

import io

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray
from PIL import Image

from parallax.vision import refusal

_MAX_HEADER = 1000
"""Characters; NumPy writes some 120 for an array of three axes."""

_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
"""By version of the format; version 3 differs in the names of fields, which pixels do not have."""


def read(data: bytes | memoryview, max_pixels: int) -> Image.Image:
    """Return the picture in an array of type uint8.

    The array is (height, width, 3) in OpenCV's order (blue, green, red), or (height, width, 1) or
    (height, width) of grey values.

    Raises:
        BadImageError: another type or shape, more pixels than ``max_pixels``, or too few bytes.
        Exception: the header is damaged.
    """
    file = io.BytesIO(data)
    reader = _READERS.get(npy_format.read_magic(file))
    if reader is None:
        raise refusal.bad("a .npy file must have version 1.0 or 2.0")
    shape, fortran_order, dtype = reader(file, max_header_size=_MAX_HEADER)
    if dtype != np.uint8:
        raise refusal.bad(f"a .npy picture must be of type uint8, this one is {dtype}")
    height, width, channels = _sides(shape)
    refusal.check_size((width, height), max_pixels)
    count = height * width * channels
    if len(data) - file.tell() < count:
        raise refusal.bad(f"the .npy file is truncated: {count} bytes of pixels were announced")
    flat = np.frombuffer(data, np.uint8, count, file.tell())
    return _image(flat.reshape((height, width, channels), order="F" if fortran_order else "C"))


def _sides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return height, width and channels."""
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise refusal.bad(
            "a .npy picture must have the shape (height, width), (height, width, 1) or "
            f"(height, width, 3), this one has {shape}"
        )
    height, width, channels = shape
    return height, width, channels


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]))
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
