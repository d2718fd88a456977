"""Greedy non-maximum suppression with true IoU, per class or over all.

Candidates are taken in blocks of descending score: a block is first thinned by what is already
kept, then settled within itself from one matrix of overlaps. A handful of candidates costs one
small matrix, thousands never make a matrix of thousands squared, and the work ends with the last
box wanted.
"""

import numpy as np
from numpy.typing import NDArray

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float32] | NDArray[np.float64]
Indices = NDArray[np.intp]

_BLOCK = 256


def iou(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Return the (n, m) intersection over union of corner boxes (n, 4) and (m, 4).

    Two boxes without area overlap by 0.
    """
    # Edge by edge and not as (n, m, 2): loops over a last axis of two cost several times as much.
    left, top, right, bottom = a.T.astype(np.float64)[:, :, None]
    other_left, other_top, other_right, other_bottom = b.T.astype(np.float64)[:, None, :]
    shared = _length(np.maximum(left, other_left), np.minimum(right, other_right))
    shared *= _length(np.maximum(top, other_top), np.minimum(bottom, other_bottom))
    union = _length(left, right) * _length(top, bottom) - shared
    union += _length(other_left, other_right) * _length(other_top, other_bottom)
    overlap: NDArray[np.float64] = np.zeros_like(shared)
    np.divide(shared, union, out=overlap, where=union > 0)
    return overlap


def keep(
    boxes: Floats,
    scores: Floats,
    iou_threshold: float,
    *,
    limit: int,
    classes: NDArray[np.floating] | NDArray[np.integer] | None = None,
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
    kept = order[:0]
    for start in range(0, len(order), _BLOCK):
        if len(kept) >= limit:
            break
        block = order[start : start + _BLOCK]
        if len(kept):
            block = block[~_suppresses(boxes, classes, kept, block, iou_threshold).any(axis=0)]
        within = _suppresses(boxes, classes, block, block, iou_threshold)
        kept = np.concatenate([kept, block[_settle(np.triu(within, 1))]])
    return kept[:limit]


def _length(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    length: NDArray[np.float64] = np.maximum(end - start, 0.0)
    return length


def _suppresses(
    boxes: Floats,
    classes: NDArray[np.floating] | NDArray[np.integer] | None,
    better: Indices,
    worse: Indices,
    iou_threshold: float,
) -> Booleans:
    """Return the (better, worse) matrix of who would drop whom."""
    overlaps: Booleans = iou(boxes[better], boxes[worse]) > iou_threshold
    if classes is not None:
        overlaps &= classes[better][:, None] == classes[worse][None, :]
    return overlaps


def _settle(overlaps: Booleans) -> Booleans:
    """Return which of a block survive, given its strictly upper triangular matrix of overlaps."""
    alive = np.ones(len(overlaps), dtype=np.bool_)
    for row in np.flatnonzero(overlaps.any(axis=1)):
        if alive[row]:
            alive &= ~overlaps[row]
    return alive
