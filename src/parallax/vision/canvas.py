"""The last step before the network: pixels at its size, and the borders around them."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parallax.contract import spec
from parallax.vision import geometry

Pixels = NDArray[np.uint8]


def inside(frame: geometry.Frame, out: Pixels) -> Pixels:
    """Return the part of ``out`` that shows the picture."""
    rows = out[frame.top : frame.top + frame.height]
    return rows[:, frame.left : frame.left + frame.width]


def resize(
    pixels: Pixels,
    frame: geometry.Frame,
    origin: tuple[int, int],
    out: Pixels,
    *,
    averaging: bool,
) -> None:
    """Bring decoded pixels to the size of their frame (bilinear).

    Args:
        pixels: (h, w, 3), the whole of what may be seen.
        frame: from ``geometry.fit``.
        origin: left and top of ``pixels`` in the picture.
        out: (frame.height, frame.width, 3), where to put them, for example a part of a larger
            array.
        averaging: use all pixels where it shrinks (Pillow, and torchvision on its pictures; equal
            to resizing all and cutting out the middle but for the last bit of a value). Otherwise
            four neighbours make one pixel (OpenCV, ``INTER_LINEAR``); the frame's source then has
            to be whole pixels.
    """
    left, top = frame.source[0] - origin[0], frame.source[1] - origin[1]
    right, bottom = frame.source[2] - origin[0], frame.source[3] - origin[1]
    size = (frame.width, frame.height)
    if averaging:
        box = (left, top, right, bottom)
        image = Image.fromarray(pixels)
        out[...] = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
        return
    part = pixels[round(top) : round(bottom), round(left) : round(right)]
    if part.shape == out.shape:
        out[...] = part
    elif (made := cv2.resize(part, size, dst=out, interpolation=cv2.INTER_LINEAR)) is not out:
        out[...] = made


def surround(frame: geometry.Frame, target: spec.InputSpec, out: Pixels) -> None:
    """Fill the borders around the picture in ``out``.

    They have the padding's grey value, or with ``letterbox-reflect`` the mirrored picture (its edge
    is not repeated; a picture that is narrower than the border is mirrored again).
    """
    bottom, right = frame.top + frame.height, frame.left + frame.width
    if target.resize == "letterbox-reflect":
        below, beside = target.height - bottom, target.width - right
        edges = (frame.top, below, frame.left, beside)
        out[...] = cv2.copyMakeBorder(inside(frame, out), *edges, cv2.BORDER_REFLECT_101)
        return
    rows = out[frame.top : bottom]
    for border in (out[: frame.top], out[bottom:], rows[:, : frame.left], rows[:, right:]):
        border[...] = target.padding
