"""Parts that heads of boxes share."""

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import arrays, base, boxes

OPS = arrays.Arrays()


def test_corners_become_centres() -> None:
    corners = np.array([[[10, 20, 30, 60], [0, 0, 5, 5]]], np.float32)
    assert boxes.centres(OPS, corners).tolist() == [[[20, 40, 20, 40], [2.5, 2.5, 5, 5]]]


def test_shares_become_pixels_of_each_side() -> None:
    shares = np.array([[[0.5, 0.5, 0.25, 1.0]]], np.float32)
    assert boxes.scaled(OPS, shares, (400, 200)).tolist() == [[[200, 100, 100, 200]]]


def test_keypoints_with_scores_stay_as_they_are() -> None:
    points = np.ones((2, 4, 6), np.float32)
    layout = spec.Layout(keypoints=2, keypoint_values=3)
    assert boxes.triplets(OPS, points, 4, layout) is points


def test_keypoints_without_scores_have_the_score_1() -> None:
    points = np.arange(16, dtype=np.float32).reshape(2, 2, 4)
    layout = spec.Layout(keypoints=2, keypoint_values=2)
    assert boxes.triplets(OPS, points, 2, layout).tolist() == [
        [[0, 1, 1, 2, 3, 1], [4, 5, 1, 6, 7, 1]],
        [[8, 9, 1, 10, 11, 1], [12, 13, 1, 14, 15, 1]],
    ]


def test_values_are_repeated_for_each_item() -> None:
    batch = np.full((3, 2), 7.0, np.float32)
    repeated = boxes.repeated(OPS, np.array([4, 5]), batch)
    assert repeated.dtype == np.float32
    assert repeated.tolist() == [[4, 5]] * 3


def test_no_number_stays_none_when_values_are_repeated() -> None:
    repeated = boxes.repeated(OPS, np.array([4, 5]), np.array([[np.nan, 1]], np.float32))
    assert np.isnan(repeated).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([(1, 7, 84), (1, 32, 16, 20)], boxes.Planes(1, 32, (16, 20))),
        ([(None, 32, 16, 20), (1, 8, 4, 4)], boxes.Planes(0, 32, (16, 20))),
        ([(1, 3, 8, 8, 16), (1, 32, 16, 20)], boxes.Planes(1, 32, (16, 20))),
        ([(1, 7, 84)], None),
        ([(1, 32, None, 20)], None),
        ([(1, 32, 0, 20)], None),
        ([(), (1,)], None),
        ([], None),
    ],
)
def test_planes_among_outputs(outputs: list[base.Shape], expected: boxes.Planes | None) -> None:
    assert boxes.planes(outputs) == expected


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([(1, 84, 4), (1, 84, 3)], boxes.Pair(84, 3, (0, 1))),
        ([(1, 84, 3), (1, 84, 4)], boxes.Pair(84, 3, (1, 0))),
        ([(1, 84, 4), (1, 84, 4)], boxes.Pair(84, 4, (0, 1))),
        ([(1, 9, 8, 8), (1, 84, 3), (1, 84, 4)], boxes.Pair(84, 3, (2, 1))),
        ([(1, 84, 4), (1, 83, 3)], None),
        ([(1, 84, 5), (1, 84, 3)], None),
        ([(1, None, 4), (1, None, 3)], None),
        ([(1, 84, 4), (1, 84, None)], None),
        ([(1, 84, 4)], None),
        ([(1, 84, 4), (1, 84, 3), (1, 84, 3)], None),
    ],
)
def test_a_pair_of_boxes_and_scores(outputs: list[base.Shape], expected: boxes.Pair | None) -> None:
    assert boxes.pair(outputs) == expected


@pytest.mark.parametrize(
    ("known", "found", "fits"), [(0, 3, True), (3, 3, True), (2, 3, False), (0, 0, False)]
)
def test_numbers_that_agree(known: int, found: int, fits: bool) -> None:
    assert boxes.fits(known, found) is fits
