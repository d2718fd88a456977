"""The score decides whether the server works, so it is checked against sums done by hand."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from parallax.demo.evaluate import best_confidence, letterbox, mean_average_precision
from parallax.demo.scenes import Box


def truth(label: str, x1: float, y1: float, side: float = 10) -> Box:
    return Box(label, x1, y1, x1 + side, y1 + side)


def found(label: str, x1: float, y1: float, confidence: float) -> dict[str, Any]:
    return {
        "x": x1 + 5,
        "y": y1 + 5,
        "width": 10,
        "height": 10,
        "confidence": confidence,
        "class": label,
    }


def test_all_found_is_one() -> None:
    truths = [[truth("star", 0, 0), truth("moon", 50, 0)], [truth("star", 9, 9)]]
    detections = [[found("star", 0, 0, 0.9), found("moon", 50, 0, 0.4)], [found("star", 9, 9, 0.2)]]
    assert mean_average_precision(truths, detections) == (1.0, {"moon": 1.0, "star": 1.0})


def test_nothing_found_is_zero() -> None:
    assert mean_average_precision([[truth("star", 0, 0)]], [[]]) == (0.0, {"star": 0.0})


def test_no_truth_at_all_is_zero() -> None:
    assert mean_average_precision([[]], [[found("star", 0, 0, 0.9)]]) == (0.0, {})


def test_classes_without_truth_are_left_out_of_the_mean() -> None:
    detections = [[found("star", 0, 0, 0.9), found("moon", 0, 0, 0.9)]]
    assert mean_average_precision([[truth("star", 0, 0)]], detections) == (1.0, {"star": 1.0})


def test_half_found_covers_51_of_the_101_recalls() -> None:
    truths = [[truth("star", 0, 0), truth("star", 100, 0)]]
    mean, _ = mean_average_precision(truths, [[found("star", 0, 0, 0.9)]])
    assert mean == pytest.approx(51 / 101)


def test_a_false_alarm_ranked_between_two_hits_lowers_the_second() -> None:
    # Ranked: hit, miss, hit. Precision 1 up to recall 0.5 (51 points), then 2/3 (50 points).
    truths = [[truth("star", 0, 0), truth("star", 100, 0)]]
    detections = [
        [found("star", 0, 0, 0.9), found("star", 300, 0, 0.8), found("star", 100, 0, 0.7)]
    ]
    mean, _ = mean_average_precision(truths, detections)
    assert mean == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_the_ranking_runs_over_all_pictures() -> None:
    # The false alarm of the second picture outranks the hit of the first: precision 1/2.
    truths: list[list[Box]] = [[truth("star", 0, 0)], []]
    detections = [[found("star", 0, 0, 0.5)], [found("star", 0, 0, 0.6)]]
    assert mean_average_precision(truths, detections)[0] == pytest.approx(0.5)


def test_a_second_detection_of_one_truth_is_a_false_alarm() -> None:
    truths = [[truth("star", 0, 0), truth("star", 100, 0)]]
    detections = [[found("star", 0, 0, 0.9), found("star", 1, 0, 0.8), found("star", 100, 0, 0.7)]]
    mean, _ = mean_average_precision(truths, detections)
    assert mean == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_the_wrong_class_is_no_hit() -> None:
    detections = [[found("moon", 0, 0, 0.9)]]
    assert mean_average_precision([[truth("star", 0, 0)]], detections)[0] == 0.0


@pytest.mark.parametrize(("shift", "expected"), [(3.0, 1.0), (4.0, 0.0)])
def test_the_overlap_needed_is_half(shift: float, expected: float) -> None:
    # Squares of side 10 moved by 3 share 70 of 130 (0.54), moved by 4 share 60 of 140 (0.43).
    detections = [[found("star", shift, 0, 0.9)]]
    assert mean_average_precision([[truth("star", 0, 0)]], detections)[0] == expected


def test_the_threshold_can_be_asked_for() -> None:
    truths, detections = [[truth("star", 0, 0)]], [[found("star", 3, 0, 0.9)]]
    assert mean_average_precision(truths, detections, iou=0.75)[0] == 0.0


def test_the_best_confidence_keeps_the_hits_and_drops_what_is_below() -> None:
    # F1 of the first one, two, three and four kept: 2/3, 1, 4/5, 4/6.
    truths = [[truth("star", 0, 0), truth("moon", 100, 0)]]
    detections = [
        [
            found("star", 0, 0, 0.9),
            found("moon", 100, 0, 0.6),
            found("star", 300, 0, 0.3),
            found("moon", 0, 0, 0.2),
        ]
    ]
    assert best_confidence(truths, detections) == 0.6


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="1 pictures of truths, 2 of detections"):
        mean_average_precision([[]], [[], []])


def test_the_letterbox_centres_the_picture_on_grey() -> None:
    square, scale, left, top = letterbox(Image.new("RGB", (640, 480), (255, 0, 0)))
    assert (scale, left, top) == (0.5, 0, 40)
    assert square.shape == (320, 320, 3)
    assert (square[:40] == 114).all()
    assert (square[280:] == 114).all()
    assert (square[40:280] == (255, 0, 0)).all()
