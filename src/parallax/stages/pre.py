"""The pre stage: an encoded picture becomes the network's uint8 input, in place in a slab slot."""

import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages, spec
from parallax.vision import decode, geometry


def prepare(
    data: bytes | memoryview,
    image: messages.ImageOptions,
    target: spec.InputSpec,
    max_pixels: int,
    out: NDArray[np.uint8],
) -> messages.Geometry:
    """Decode, orient and resize (bilinear) a picture into ``out``.

    Args:
        data: the encoded picture.
        image: what the client asked for.
        target: the network's input.
        max_pixels: largest picture that is decoded.
        out: uint8 (height, width, 3) of ``target``, RGB; every byte is written.

    Returns:
        How to map the network's pixels back to the original picture.

    Raises:
        BadImageError: the bytes are no picture we can decode, or it is too large.
    """
    picture = decode.open_picture(data, max_pixels, auto_orient=image.auto_orient)
    frame, placed = geometry.fit(picture.width, picture.height, target)
    pixels = np.asarray(decode.read(picture, frame.width, frame.height))
    bottom, right = frame.top + frame.height, frame.left + frame.width
    rows = out[frame.top : bottom]
    rows[:, frame.left : right] = pixels
    for border in (out[: frame.top], out[bottom:], rows[:, : frame.left], rows[:, right:]):
        border[...] = target.padding
    return placed
