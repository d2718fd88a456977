"""Suppression agrees with the textbook loop."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parallax.vision import nms


def naive_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return float(shared / union) if union > 0 else 0.0


def naive_keep(
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    threshold: float,
    classes: NDArray[np.int64] | None,
) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: -scores[i]):
        rivals = [k for k in kept if classes is None or classes[k] == classes[index]]
        if all(naive_iou(boxes[k], boxes[index]) <= threshold for k in rivals):
            kept.append(index)
    return kept


def scene(seed: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    corners = random.integers(0, 40, (count, 2))
    boxes = np.concatenate([corners, corners + random.integers(0, 25, (count, 2))], axis=1)
    return boxes.astype(np.float64), random.integers(0, 20, count) / 20


@functools.cache
def crowd() -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    boxes, scores = scene(5, 1200)
    boxes += np.arange(1200)[:, None] % 37 * 30.0
    return boxes, scores, naive_keep(boxes, scores, 0.3, None)


@given(
    seed=st.integers(0, 1 << 30),
    count=st.integers(0, 60),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    per_class=st.booleans(),
)
def test_agrees_with_the_naive_loop(
    seed: int, count: int, threshold: float, per_class: bool
) -> None:
    boxes, scores = scene(seed, count)
    classes = np.arange(count) % 3 if per_class else None
    kept = nms.keep(boxes, scores, threshold, limit=1000, classes=classes)
    assert kept.tolist() == naive_keep(boxes, scores, threshold, classes)


@pytest.mark.parametrize("groups", [1, 2, 40])
def test_crowds_of_many_classes_are_settled_class_by_class(groups: int) -> None:
    boxes, scores, _ = crowd()
    classes = np.arange(len(boxes)) % groups
    few = slice(0, 500)
    kept = nms.keep(boxes[few], scores[few], 0.3, limit=1000, classes=classes[few])
    assert kept.tolist() == naive_keep(boxes[few], scores[few], 0.3, classes[few])


@pytest.mark.parametrize("limit", [0, 1, 7, 300, 2000])
def test_blocks_and_limits_do_not_change_what_is_kept(limit: int) -> None:
    boxes, scores, expected = crowd()
    assert nms.keep(boxes, scores, 0.3, limit=limit).tolist() == expected[:limit]


def test_boxes_without_area_do_not_overlap() -> None:
    point = np.array([[3.0, 3.0, 3.0, 3.0]])
    assert nms.iou(point, point).tolist() == [[0.0]]


def test_equal_scores_keep_their_order() -> None:
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], dtype=np.float32)
    assert nms.keep(boxes, np.ones(3), 0.5, limit=9).tolist() == [0, 1, 2]
