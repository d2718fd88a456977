"""The same answer by the work that servers commonly do.

All pixels of the picture are decoded (OpenCV), it is resized and becomes a float32 NCHW array in
NumPy, the graph runs as it was exported, and boxes are decoded and suppressed in NumPy. What a
machine can do of this is what servers can be compared by that do not share our shortcuts.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages, spec
from parallax.vision import canvas, geometry

Pixels = NDArray[np.uint8]


def one_thread() -> None:
    """Let OpenCV compute in the thread that calls it: there is a process per core."""
    cv2.setNumThreads(1)


def prepare(data: bytes, target: spec.InputSpec, out: Pixels) -> messages.Geometry:
    """Decode all of a picture and put it into the network's input, uint8 RGB.

    The float input is made of it where the network runs (``models.plain``).
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    height, width = pixels.shape[:2]
    frame, placed = geometry.fit(width, height, target)
    left, top, right, bottom = (round(edge) for edge in frame.source)
    small = cv2.resize(
        pixels[top:bottom, left:right],
        (frame.width, frame.height),
        interpolation=cv2.INTER_LINEAR,
    )
    canvas.inside(frame, out)[...] = small[..., ::-1]
    canvas.surround(frame, target, out)
    return placed
