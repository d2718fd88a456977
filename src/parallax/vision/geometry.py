"""Where a picture lies in the network's input, and back from there to the picture.

Conventions of resizing differ by pixels of padding, which a box has to be mapped back with; which
one a model was trained with is part of its ``InputSpec``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages, spec
from parallax.vision import resizes

Floats = NDArray[np.float32] | NDArray[np.float64]
Percents = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of the network's input that shows the picture, in network pixels."""

    left: int
    top: int
    width: int
    height: int
    source: tuple[float, float, float, float]
    """Left, top, right, bottom of what it shows, in pixels of the upright picture. Whole numbers,
    but for ``fill``."""


RESIZES = tuple(resizes.PLACES)
"""What ``InputSpec.resize`` may say."""


def fit(width: int, height: int, target: spec.InputSpec) -> tuple[Frame, messages.Geometry]:
    """Place a picture of ``width x height`` pixels in the network's input.

    Args:
        width: pixels of the original picture (not of a DCT-scaled one), after orientation.
        height: likewise.
        target: the network's input; with a crop, only that part of the picture is placed.

    Raises:
        ValueError: ``target.resize`` is none of ``RESIZES``.
    """
    place = resizes.PLACES.get(target.resize)
    if place is None:
        raise ValueError(f"unknown resize {target.resize!r}")
    crop = None if target.crop is None else _crop(width, height, target.crop)
    area = crop or messages.Crop(0, 0, width, height)
    placed = place((area.width, area.height, target.width, target.height))
    pads = (float(placed.left), float(placed.top))
    scales = (placed.scale_x, placed.scale_y)
    return _frame(area, placed, target), messages.Geometry(width, height, *scales, *pads, crop)


def seen(geometry: messages.Geometry) -> messages.Crop:
    """Return the part of the picture that was resized: the static crop, or all of it."""
    return geometry.crop or messages.Crop(0, 0, geometry.width, geometry.height)


def to_picture(boxes: Floats, geometry: messages.Geometry) -> NDArray[np.float64]:
    """Map boxes from the network's input to the original picture, clipped to what was resized.

    Args:
        boxes: (n, 4) corners x1, y1, x2, y2 in network pixels.
        geometry: from ``fit``.

    Returns:
        (n, 4) float64 corners in pixels of the original: ``crop + (network - pad) / scale``.
    """
    return points_to_picture(boxes.reshape(-1, 2, 2), geometry).reshape(-1, 4)


def points_to_picture(points: Floats, geometry: messages.Geometry) -> NDArray[np.float64]:
    """Map points from the network's input to the original picture, clipped to what was resized.

    Args:
        points: (n, k, 2) x, y in network pixels.
        geometry: from ``fit``.

    Returns:
        (n, k, 2) float64 in pixels of the original.
    """
    area = seen(geometry)
    pads = np.array([geometry.pad_x, geometry.pad_y])
    scales = np.array([geometry.scale_x, geometry.scale_y])
    mapped: NDArray[np.float64] = (points - pads) / scales
    # np.clip does the same at several times the cost for a few boxes.
    np.maximum(mapped, 0.0, out=mapped)
    np.minimum(mapped, np.array([area.width, area.height], np.float64), out=mapped)
    mapped += np.array([area.left, area.top], np.float64)
    return mapped


def to_corners(boxes: Floats) -> NDArray[np.float64]:
    """Turn (n, 4) centre x, centre y, width, height into (n, 4) x1, y1, x2, y2."""
    centres, halves = boxes[:, :2].astype(np.float64), boxes[:, 2:4] / 2.0
    corners = np.empty((len(boxes), 4))
    np.subtract(centres, halves, out=corners[:, :2])
    np.add(centres, halves, out=corners[:, 2:])
    return corners


def _crop(width: int, height: int, percents: Percents) -> messages.Crop:
    """Return a crop in whole pixels: edges truncated, never empty, never outside the picture."""
    edges = zip(percents, (width, height, width, height), strict=True)
    x_min, y_min, x_max, y_max = (int(share / 100.0 * side) for share, side in edges)
    left, top = min(max(x_min, 0), width - 1), min(max(y_min, 0), height - 1)
    right, bottom = min(max(x_max, left + 1), width), min(max(y_max, top + 1), height)
    return messages.Crop(left, top, right - left, bottom - top)


def _frame(area: messages.Crop, placed: resizes.Placed, target: spec.InputSpec) -> Frame:
    left, top = max(0, placed.left), max(0, placed.top)
    right = min(target.width, placed.left + placed.width)
    bottom = min(target.height, placed.top + placed.height)
    source = (
        area.left + (left - placed.left) * area.width / placed.width,
        area.top + (top - placed.top) * area.height / placed.height,
        area.left + (right - placed.left) * area.width / placed.width,
        area.top + (bottom - placed.top) * area.height / placed.height,
    )
    return Frame(left, top, right - left, bottom - top, source)
