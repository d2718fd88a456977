"""The last step before the network: pixels at its size, and the borders around them."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parallax.contract import spec
from parallax.vision import geometry

Pixels = NDArray[np.uint8]


def resized(
    pixels: Pixels, frame: geometry.Frame, origin: tuple[int, int], *, averaging: bool
) -> Pixels:
    """Bring decoded pixels to the size of their frame (bilinear).

    Args:
        pixels: (h, w, 3), the whole of what may be seen.
        frame: from ``geometry.fit``.
        origin: left and top of ``pixels`` in the picture.
        averaging: use all pixels where it shrinks (Pillow, and torchvision on its pictures; equal
            to resizing all and cutting out the middle but for the last bit of a value). Otherwise
            four neighbours make one pixel (OpenCV, ``INTER_LINEAR``); the frame's source then has
            to be whole pixels.

    Returns:
        (frame.height, frame.width, 3).
    """
    left, top = frame.source[0] - origin[0], frame.source[1] - origin[1]
    right, bottom = frame.source[2] - origin[0], frame.source[3] - origin[1]
    size = (frame.width, frame.height)
    if averaging:
        image = Image.fromarray(pixels)
        box = (left, top, right, bottom)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
    part = pixels[round(top) : round(bottom), round(left) : round(right)]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def put(pixels: Pixels, frame: geometry.Frame, target: spec.InputSpec, out: Pixels) -> None:
    """Write pixels of the frame's size into ``out`` and fill the borders; every byte is written.

    The borders have the padding's grey value, or with ``letterbox-reflect`` the mirrored picture
    (its edge is not repeated; a picture that is narrower than the border is mirrored again).
    """
    bottom, right = frame.top + frame.height, frame.left + frame.width
    if target.resize == "letterbox-reflect":
        below, beside = target.height - bottom, target.width - right
        edges = (frame.top, below, frame.left, beside)
        out[...] = cv2.copyMakeBorder(pixels, *edges, cv2.BORDER_REFLECT_101)
        return
    rows = out[frame.top : bottom]
    rows[:, frame.left : right] = pixels
    for border in (out[: frame.top], out[bottom:], rows[:, : frame.left], rows[:, right:]):
        border[...] = target.padding
