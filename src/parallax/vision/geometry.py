"""Where a picture lies in the network's input, and back from there to the picture.

Two conventions of letterboxing exist in the wild and differ by a pixel of padding, which a box has
to be mapped back with; which one a model was trained with is part of its ``InputSpec``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages, spec

Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of the network's input that the resized picture fills, in network pixels."""

    left: int
    top: int
    width: int
    height: int


def fit(width: int, height: int, target: spec.InputSpec) -> tuple[Frame, messages.Geometry]:
    """Place a picture of ``width x height`` pixels in the network's input.

    * ``letterbox``: scale ``min(W / w, H / h)``, size rounded, the picture centred; an odd pixel of
      padding goes right and below (Ultralytics, ``LetterBox`` in ``data/augment.py``: pads are
      ``round(pad / 2 - 0.1)``; ``scale_boxes`` in ``utils/ops.py`` uses the same scale and pads).
    * ``letterbox-top-left``: the same scale, size truncated, the picture at (0, 0) (YOLOX,
      ``preproc`` in ``data/data_augment.py``).
    * ``stretch``: each axis scaled on its own.

    Args:
        width: pixels of the original picture (not of a DCT-scaled one), after orientation.
        height: likewise.
        target: the network's input.

    Raises:
        ValueError: ``target.resize`` is none of the above.
    """
    if target.resize == "stretch":
        scale_x, scale_y = target.width / width, target.height / height
        frame = Frame(0, 0, target.width, target.height)
    else:
        scale_x = scale_y = min(target.width / width, target.height / height)
        frame = _letterbox(width * scale_x, height * scale_y, target)
    pads = (float(frame.left), float(frame.top))
    return frame, messages.Geometry(width, height, scale_x, scale_y, *pads)


def to_picture(boxes: Floats, geometry: messages.Geometry) -> NDArray[np.float64]:
    """Map boxes from the network's input to the original picture, clipped to it.

    Args:
        boxes: (n, 4) corners x1, y1, x2, y2 in network pixels.
        geometry: from ``fit``.

    Returns:
        (n, 4) float64 corners in pixels of the original: ``(network - pad) / scale``.
    """
    pads = np.array([geometry.pad_x, geometry.pad_y] * 2)
    scales = np.array([geometry.scale_x, geometry.scale_y] * 2)
    edges = np.array([geometry.width, geometry.height] * 2)
    mapped: NDArray[np.float64] = np.clip((boxes - pads) / scales, 0, edges)
    return mapped


def to_corners(boxes: Floats) -> NDArray[np.float64]:
    """Turn (n, 4) centre x, centre y, width, height into (n, 4) x1, y1, x2, y2."""
    centres, halves = boxes[:, :2].astype(np.float64), boxes[:, 2:4] / 2.0
    return np.concatenate([centres - halves, centres + halves], axis=1)


def _letterbox(width: float, height: float, target: spec.InputSpec) -> Frame:
    """Return the frame of a picture that would be ``width x height`` after exact scaling."""
    if target.resize == "letterbox-top-left":
        # Truncating may lose the last pixel of a picture that fits exactly but for a float's error.
        inner_w = min(target.width, max(1, int(width + 1e-6)))
        inner_h = min(target.height, max(1, int(height + 1e-6)))
        return Frame(0, 0, inner_w, inner_h)
    if target.resize != "letterbox":
        raise ValueError(f"unknown resize {target.resize!r}")
    inner_w = min(target.width, max(1, round(width)))
    inner_h = min(target.height, max(1, round(height)))
    left = max(0, round((target.width - inner_w) / 2 - 0.1))
    top = max(0, round((target.height - inner_h) / 2 - 0.1))
    return Frame(left, top, inner_w, inner_h)
