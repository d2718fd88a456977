"""From a network's coarse maps to masks in the picture, each cut out only where its box is.

A map's cells lie over the network's input, several pixels apart. A mask's logits are interpolated
between the cells' centres (bilinear, as ``torch.nn.functional.interpolate`` without aligned corners
does it; Ultralytics, ``process_mask_native`` in ``utils/ops.py``) and cut at 0. Cells that show
letterbox padding have no part in that: at the edge of the picture the last cell inside it goes on.

The work is bounded whatever the picture's size: all masks of an answer together have at most
``MAX_PIXELS`` samples, and beyond that they are sampled more coarsely than the picture's pixels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages
from parallax.vision import geometry

Floats = NDArray[np.float32]
Part = Callable[[slice, slice], Floats]
"""Gives rows and columns of one mask's logits, in cells of the map."""

MAX_PIXELS = 16 << 20
"""Samples of all masks of one answer. A dozen objects of a Full HD picture stay far below it."""

_STRIP = 1 << 20
"""Samples that are interpolated at a time: they take four bytes each, the mask itself one."""

_MOST_DENSE = 4096
"""Up to so many samples along a side are a product with a matrix of weights, three times as
fast; beyond, the matrix would outgrow the mask."""

_LARGEST = 1e6
"""Logits are clipped to this: weighing an infinity by 0 would spoil its whole row."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the picture, in whole pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Mask:
    """A window of the picture, and which parts of it belong to the object.

    ``pixels`` is bool (rows, columns); its cells cover the window evenly and are at least as large
    as a pixel.
    """

    window: Window
    pixels: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Axis:
    """How one side of the picture maps to the cells of a map, and which cells show the picture."""

    origin: float
    """Where the first cell begins, in pixels of the picture."""
    pitch: float
    """Cells per pixel of the picture."""
    first: int
    last: int

    def at(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where positions in the picture lie between the cells' centres (0: the first)."""
        cells: NDArray[np.float64] = (positions - self.origin) * self.pitch - 0.5
        return np.clip(cells, self.first, self.last)


def axes(
    network: tuple[int, int], cells: tuple[int, int], placed: messages.Geometry
) -> tuple[Axis, Axis]:
    """Return the axes along x and y of a map of ``cells`` (width, height) over the network's
    input."""
    crop = geometry.seen(placed)
    sides = (
        (crop.left, crop.width, placed.scale_x, placed.pad_x),
        (crop.top, crop.height, placed.scale_y, placed.pad_y),
    )
    x, y = (
        _axis(*side, whole, count) for side, whole, count in zip(sides, network, cells, strict=True)
    )
    return x, y


def _axis(start: int, length: int, scale: float, pad: float, network: int, cells: int) -> Axis:
    per_pixel = cells / network
    # A cell belongs to the picture when its centre does.
    begin = math.ceil(pad * per_pixel - 0.5)
    end = math.floor((pad + length * scale) * per_pixel - 0.5)
    first = min(max(begin, 0), cells - 1)
    return Axis(start - pad / scale, scale * per_pixel, first, min(max(end, first), cells - 1))


def window(box: NDArray[np.float64]) -> Window:
    """Return the pixels of the picture whose upper left corner is in the box (x1, y1, x2, y2)."""
    left, top, right, bottom = (math.ceil(edge) for edge in box.tolist())
    return Window(left, top, right - left, bottom - top)


def extent(logits: Floats, along: tuple[Axis, Axis], placed: messages.Geometry) -> Window:
    """Return the part of the picture where the logits (h, w) of a mask may be above 0.

    Between a cell above 0 and one below, the mask ends; so one cell more on each side is enough.
    """
    crop = geometry.seen(placed)
    rows, columns = np.nonzero(logits > 0)
    if not len(rows):
        return Window(crop.left, crop.top, 0, 0)
    left, right = _reach(columns, along[0], crop.left, crop.left + crop.width)
    top, bottom = _reach(rows, along[1], crop.top, crop.top + crop.height)
    return Window(left, top, right - left, bottom - top)


def _reach(cells: NDArray[np.intp], axis: Axis, start: int, end: int) -> tuple[int, int]:
    """Return the pixels from before the first to behind the last of some cells."""
    first, last = int(cells.min()), int(cells.max())
    # At the edge the last cell inside the picture goes on.
    low = start if first <= axis.first else math.floor(axis.origin + (first - 0.5) / axis.pitch)
    high = end if last >= axis.last else math.ceil(axis.origin + (last + 1.5) / axis.pitch)
    low = min(max(low, start), end)
    return low, min(max(high, low), end)


def shapes(
    windows: Sequence[Window], along: tuple[Axis, Axis], detail: float, limit: int = MAX_PIXELS
) -> list[tuple[int, int]]:
    """Return with how many rows and columns each mask is to be sampled.

    Args:
        windows: of the masks of one answer.
        along: the axes of the map that they come from.
        detail: 1 samples every pixel of the picture, 0 as densely as the map's cells lie.
        limit: most samples of all masks together.
    """
    # Samples per pixel of the picture.
    dense_x, dense_y = (detail + (1.0 - detail) * min(1.0, axis.pitch) for axis in along)
    sides = [(each.height * dense_y, each.width * dense_x) for each in windows]
    total = sum(rows * columns for rows, columns in sides)
    shrink = min(1.0, math.sqrt(limit / total)) if total else 1.0
    return [
        (max(1, math.ceil(rows * shrink)), max(1, math.ceil(columns * shrink)))
        for rows, columns in sides
    ]


def weighted(prototypes: Floats, coefficients: Floats) -> Part:
    """Return the logits of a mask that is a sum of prototypes.

    Args:
        prototypes: (P, h, w).
        coefficients: (P,).
    """
    return lambda rows, columns: np.tensordot(coefficients, prototypes[:, rows, columns], 1)


def whole(logits: Floats) -> Part:
    """Return the logits (h, w) of a mask that has a map of its own."""
    return lambda rows, columns: logits[rows, columns]


def cut(part: Part, along: tuple[Axis, Axis], at: Window, shape: tuple[int, int]) -> Mask:
    """Return the mask of one object: where its interpolated logits are above 0.

    Args:
        part: the object's logits. What is not a number counts as 0.
        along: the axes of their map.
        at: where the object is.
        shape: rows and columns of the mask, from ``shapes``.
    """
    pixels = np.zeros(shape, dtype=np.bool_)
    if at.width < 1 or at.height < 1:
        return Mask(at, pixels)
    columns, across = _samples(along[0], at.left, at.width, shape[1])
    rows, down = _samples(along[1], at.top, at.height, shape[0])
    with np.errstate(all="ignore"):
        cells = np.nan_to_num(part(rows, columns), nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
    spread = across.between(np.clip(cells, -_LARGEST, _LARGEST).T).T
    step = max(1, _STRIP // shape[1])
    for top in range(0, shape[0], step):
        pixels[top : top + step] = down.part(top, top + step).between(spread) > 0.0
    return Mask(at, pixels)


def nearest(
    classes: NDArray[np.uint8],
    network: tuple[int, int],
    placed: messages.Geometry,
    size: tuple[int, int],
    unseen: int = 0,
) -> NDArray[np.uint8]:
    """Return a map over the network's input as it lies in the picture.

    Args:
        classes: (h, w).
        network: width and height of the network's input in pixels.
        placed: how the network's pixels map to the picture's.
        size: width and height of the result, which covers the whole picture.
        unseen: the value of what was cropped away before the network.

    Returns:
        (height, width); each pixel has the value of the cell that its centre lies in.
    """
    height, width = classes.shape
    x, y = axes(network, (width, height), placed)
    crop = geometry.seen(placed)
    across, down = _centres(0.0, placed.width, size[0]), _centres(0.0, placed.height, size[1])
    columns, rows = (np.rint(axis.at(at)).astype(np.intp) for axis, at in ((x, across), (y, down)))
    # Columns first, while there are few rows: whole rows are repeated much faster than values.
    first = int(rows.min())
    shown = classes[first : int(rows.max()) + 1].take(columns, axis=1)[rows - first]
    shown[~_seen(y, down, crop.top, crop.height, height)] = unseen
    shown[:, ~_seen(x, across, crop.left, crop.width, width)] = unseen
    return shown


def present(classes: NDArray[np.uint8]) -> list[int]:
    """Return the values that occur in a map, ascending."""
    counts = cv2.calcHist([classes], [0], None, [256], [0.0, 256.0])
    found: list[int] = np.flatnonzero(counts).tolist()
    return found


def _centres(start: float, length: float, count: int) -> NDArray[np.float64]:
    """Return the centres of ``count`` equal parts of a stretch."""
    return start + (np.arange(count, dtype=np.float64) + 0.5) * (length / count)


@dataclass(frozen=True, slots=True)
class _Samples:
    """Where samples along a side lie between cells."""

    lower: NDArray[np.intp]
    """Index of the cell before each sample; the other is the next one, or the same at the end."""
    upper: NDArray[np.intp]
    share: Floats
    """Of the upper cell, 0 to 1."""

    def part(self, start: int, end: int) -> "_Samples":
        return _Samples(self.lower[start:end], self.upper[start:end], self.share[start:end])

    def between(self, cells: Floats) -> Floats:
        """Return the values (count, n) at the samples of (cells, n), interpolated linearly."""
        if len(self.share) > _MOST_DENSE:
            share = self.share[:, None]
            values: Floats = cells[self.lower] * (1.0 - share) + cells[self.upper] * share
            return values
        samples = np.arange(len(self.share))
        weights = np.zeros((len(self.share), len(cells)), dtype=np.float32)
        weights[samples, self.lower] = 1.0 - self.share
        weights[samples, self.upper] += self.share
        return weights @ cells


def _samples(axis: Axis, start: int, length: int, count: int) -> tuple[slice, _Samples]:
    """Return which cells ``count`` samples of a stretch need, and how they lie between those."""
    at = axis.at(_centres(start, length, count))
    lower = np.minimum(np.floor(at).astype(np.intp), max(axis.first, axis.last - 1))
    upper = np.minimum(lower + 1, axis.last)
    begin = int(lower.min())
    samples = _Samples(lower - begin, upper - begin, (at - lower).astype(np.float32))
    return slice(begin, int(upper.max()) + 1), samples


def _seen(
    axis: Axis, positions: NDArray[np.float64], start: int, length: int, cells: int
) -> NDArray[np.bool_]:
    """Tell which positions along a side are in the crop, and in what the network was shown of
    it."""
    begin, end = max(start, axis.origin), min(start + length, axis.origin + cells / axis.pitch)
    return (positions >= begin) & (positions < end)
