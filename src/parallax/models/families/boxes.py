"""What several heads of boxes have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from parallax.contract import spec
from parallax.models.families import base, grids

_MOST_RANKED = 2000
"""More rows than this are not ranked; more columns are not classes but rows of another head."""
HALF = np.array([0.5], np.float32)


def centres(ops: base.Ops[base.V], corners: base.V) -> base.V:
    """Turn (N, A, 4) x1, y1, x2, y2 into centre x, centre y, width, height."""
    first = ops.cut(corners, axis=2, start=0, end=2)
    second = ops.cut(corners, axis=2, start=2, end=4)
    middle = ops.multiply(ops.add(first, second), ops.constant(HALF))
    return ops.join([middle, ops.subtract(second, first)], axis=2)


def scaled(ops: base.Ops[base.V], boxes: base.V, network: tuple[int, int]) -> base.V:
    """Turn (N, A, 4) boxes in shares of the input's width and height into pixels."""
    width, height = network
    sides = np.array([width, height, width, height], np.float32)
    return ops.multiply(boxes, ops.constant(sides))


def triplets(ops: base.Ops[base.V], points: base.V, count: int, layout: spec.Layout) -> base.V:
    """Give keypoints without a score the score 1.

    Args:
        ops: what to compute with.
        points: (N, A, K * keypoint_values).
        count: A.
        layout: says K and ``keypoint_values``.

    Returns:
        (N, A, K * 3) x, y, score of each keypoint.
    """
    keypoints = layout.keypoints
    if layout.keypoint_values == 3:
        return points
    total = count * keypoints
    pairs = ops.reshape(points, (0, total, 2))
    first = ops.reshape(ops.cut(pairs, axis=2, start=0, end=1), (0, total))
    ones = ops.reshape(repeated(ops, np.ones(total), first), (0, total, 1))
    return ops.reshape(ops.join([pairs, ones], axis=2), (0, count, keypoints * 3))


def repeated(ops: base.Ops[base.V], values: NDArray[np.generic], batch: base.V) -> base.V:
    """Return values (A,) as float32 once for each item of a batch (N, A) whose N is not known.

    Where the batch holds no number the result holds none either, and post drops such rows.
    """
    # A last axis of 1 instead would make this arithmetic in ONNX Runtime fifty times as slow.
    nothing = ops.multiply(batch, ops.constant(np.zeros(1, np.float32)))
    return ops.add(nothing, ops.constant(values.astype(np.float32)[None]))


@dataclass(frozen=True, slots=True)
class Planes:
    """An output (N, count, height, width)."""

    index: int
    count: int
    size: tuple[int, int]
    """Height and width."""


def planes(outputs: Sequence[base.Shape]) -> Planes | None:
    """Return the first output that may be mask prototypes or class maps; none has an empty axis."""
    for index, shape in enumerate(outputs):
        sides = [side for side in shape[1:] if side]
        if len(shape) == 4 and len(sides) == 3:
            return Planes(index, sides[0], (sides[1], sides[2]))
    return None


def ranked(outputs: Sequence[base.Shape], network: tuple[int, int]) -> tuple[int, int] | None:
    """Return the sides of a first output (N, rows, columns) of few rows, each an answer.

    A side of as many as there are cells shows that it is another kind of head.
    """
    if not outputs or len(outputs[0]) != 3:
        return None
    _, rows, columns = outputs[0]
    if not rows or not columns or max(rows, columns) > _MOST_RANKED:
        return None
    if grids.is_dense(network, rows) or grids.is_dense(network, columns):
        return None
    return rows, columns


def fits(known: int, found: int) -> bool:
    """Tell whether a number read off the shapes agrees with what the package says, if it does."""
    return found > 0 and known in (0, found)


def counted(known: spec.Layout, classes: int, anchors: int) -> spec.Layout | None:
    """Complete a layout by numbers read off the shapes; None where the package says otherwise."""
    if not fits(known.classes, classes):
        return None
    return msgspec.structs.replace(known, classes=classes, anchors=anchors)


def with_prototypes(layout: spec.Layout, found: Planes) -> spec.Layout:
    """Complete the layout of rows, the first output, by the prototypes that they weigh."""
    return msgspec.structs.replace(
        layout, coefficients=found.count, map_size=found.size, order=(0, found.index)
    )


def conditional(ops: base.Ops[base.V], rows: base.V, layout: spec.Layout) -> tuple[base.V, base.V]:
    """Return score and class (N, A, 1) of rows (N, A, 4 + 1 + C + E): box, objectness, classes.

    The score is the best class's probability times the objectness.
    """
    best, classes = ops.largest(ops.cut(rows, axis=2, start=5, end=5 + layout.classes), axis=2)
    return ops.multiply(best, ops.cut(rows, axis=2, start=4, end=5)), classes


@dataclass(frozen=True, slots=True)
class Pair:
    """Boxes and class scores as two outputs."""

    anchors: int
    classes: int
    order: tuple[int, int]
    """Indices of the boxes and of the class scores."""


def pair(outputs: Sequence[base.Shape]) -> Pair | None:
    """Find boxes (N, A, 4) and class scores (N, A, C) among the outputs, in either order.

    With four classes the first of the two is taken for the boxes.
    """
    flat = [(i, shape) for i, shape in enumerate(outputs) if len(shape) == 3]
    if len(flat) != 2:
        return None
    for (box, box_shape), (score, score_shape) in (flat, flat[::-1]):
        anchors, classes = score_shape[1:]
        if box_shape[1:] == (anchors, 4) and anchors is not None and classes is not None:
            return Pair(anchors, classes, (box, score))
    return None


def paired(known: spec.Layout, found: Pair) -> spec.Layout | None:
    """Complete a layout by two outputs; None where the package says otherwise."""
    layout = counted(known, found.classes, found.anchors)
    return None if layout is None else msgspec.structs.replace(layout, order=found.order)
