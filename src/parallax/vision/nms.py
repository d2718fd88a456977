"""Greedy non-maximum suppression with true IoU, per class or over all.

Candidates are taken in blocks of descending score: a block is settled within itself from one matrix
of overlaps, then all that its survivors overlap is dropped from the rest. A handful of candidates
costs one small matrix, thousands never make a matrix of thousands squared, and the work ends with
the last box wanted.
"""

import numpy as np
from numpy.typing import NDArray

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float32] | NDArray[np.float64]
Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]
Classes = NDArray[np.floating] | NDArray[np.integer]

_BLOCK = 64
_FEW = 4096
_SPARSE = 0.2
"""Among more pairs than a few, those of one class are compared one by one if they are no larger
share."""
_LATER = np.triu(np.ones((_BLOCK, _BLOCK), dtype=np.bool_), 1)


def iou(a: Floats, b: Floats) -> Doubles:
    """Return the (n, m) intersection over union of corner boxes (n, 4) and (m, 4).

    Two boxes without area overlap by 0.
    """
    return _overlaps(_measured(a)[:, :, None], _measured(b))


def keep(
    boxes: Floats,
    scores: Floats,
    iou_threshold: float,
    *,
    limit: int,
    classes: Classes | None = None,
) -> Indices:
    """Return the indices of the boxes that survive, best first.

    A box is dropped when a better one that is kept overlaps it by *more* than the threshold (the
    comparison of ``torchvision.ops.nms``). Equal scores keep their order.

    Args:
        boxes: (n, 4) corners x1, y1, x2, y2, finite, in any unit.
        scores: (n,).
        iou_threshold: 0 to 1.
        limit: most boxes wanted.
        classes: (n,) class of each box; only boxes of one class suppress each other. None: all do.
    """
    order = np.argsort(-scores, kind="stable")
    measured = _measured(boxes[order])
    labels = None if classes is None else classes[order]
    left, kept = np.arange(len(order)), order[:0]
    while len(left) and len(kept) < limit:
        block, left = left[:_BLOCK], left[_BLOCK:]
        dropped = _dropped(measured, labels, block, block, iou_threshold)
        block = block[_settle(dropped & _LATER[: len(block), : len(block)])]
        kept = np.concatenate([kept, block])
        if len(left):
            left = left[~_dropped(measured, labels, block, left, iou_threshold).any(axis=0)]
    return order[kept[:limit]]


def _measured(boxes: Floats) -> Doubles:
    """Return (5, n): the edges of (n, 4) boxes and their areas."""
    # Edge by edge and not as (n, 4): loops over a last axis of two cost several times as much.
    measured = np.empty((5, len(boxes)))
    measured[:4] = boxes.T
    left, top, right, bottom, area = measured
    np.multiply(_length(left, right), _length(top, bottom), out=area)
    return measured


def _overlaps(a: Doubles, b: Doubles) -> Doubles:
    """Return the intersection over union of measured boxes, broadcast against each other."""
    left, top, right, bottom, area = a
    other_left, other_top, other_right, other_bottom, other_area = b
    shared = _length(np.maximum(left, other_left), np.minimum(right, other_right))
    shared *= _length(np.maximum(top, other_top), np.minimum(bottom, other_bottom))
    union = area - shared
    union += other_area
    # Where the union is nothing, what is shared is nothing, too.
    np.divide(shared, union, out=shared, where=union > 0)
    return shared


def _length(start: Doubles, end: Doubles) -> Doubles:
    length: Doubles = end - start
    return np.maximum(length, 0.0, out=length)


def _dropped(
    measured: Doubles,
    classes: Classes | None,
    better: Indices,
    worse: Indices,
    iou_threshold: float,
) -> Booleans:
    """Return the (better, worse) matrix of who would drop whom."""
    first, second = measured[:, better], measured[:, worse]
    if classes is None:
        dropped: Booleans = _overlaps(first[:, :, None], second) > iou_threshold
        return dropped
    rivals: Booleans = classes[better][:, None] == classes[worse]
    if rivals.size > _FEW and np.count_nonzero(rivals) < rivals.size * _SPARSE:
        row, column = np.nonzero(rivals)
        rivals[row, column] = _overlaps(first[:, row], second[:, column]) > iou_threshold
    else:
        rivals &= _overlaps(first[:, :, None], second) > iou_threshold
    return rivals


def _settle(dropped: Booleans) -> Booleans:
    """Return which of a block survive, given its strictly upper triangular matrix of overlaps."""
    alive = np.ones(len(dropped), dtype=np.bool_)
    spared = ~dropped
    for row in np.flatnonzero(dropped.any(axis=1)).tolist():
        if alive[row]:
            alive &= spared[row]
    return alive
