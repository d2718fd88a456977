"""Any kind of decoded picture -> 8-bit RGB, as ``IMREAD_COLOR`` of OpenCV sees it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STRIP_PIXELS = 1 << 20
"""Pixels of a deep picture that are brought to 8 bits at a time."""


def to_rgb(image: Image.Image) -> Image.Image:
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
