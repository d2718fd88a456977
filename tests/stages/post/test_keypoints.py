"""Keypoints become named places in the picture."""

from typing import Any

import msgspec
import numpy as np
import pytest

from parallax.contract import messages, spec, tasks
from tests.stages.post import scenes

HANDS = spec.Skeleton(("left", "right"), ((0, 1),))
MODEL = msgspec.structs.replace(
    scenes.DETECTOR,
    task=tasks.KEYPOINT_DETECTION,
    layout=spec.Layout(keypoints=2),
    skeletons=(HANDS,),
)
BOX = (320.0, 320.0, 100.0, 50.0, 0.9, 1.0)


def found(*points: float, model: spec.ModelSpec = MODEL, least: float = 0.0) -> list[Any]:
    params = messages.KeypointParams(keypoint_confidence=least)
    outputs = [scenes.rows((*BOX, *points), columns=12)]
    (prediction,) = scenes.answer(outputs, model, params)["predictions"]
    keypoints: list[Any] = prediction["keypoints"]
    return keypoints


def test_points_are_given_in_pixels_of_the_picture_with_their_names() -> None:
    assert found(300, 310, 0.75, 330, 320, 0.5) == [
        {"x": 600.0, "y": 340.0, "confidence": 0.75, "class_id": 0, "class": "left"},
        {"x": 660.0, "y": 360.0, "confidence": 0.5, "class_id": 1, "class": "right"},
    ]


def test_points_of_a_low_or_equal_score_are_left_out() -> None:
    points = found(300, 310, 0.5, 330, 320, 0.51, least=0.5)
    assert [each["class_id"] for each in points] == [1]


def test_points_are_clipped_to_the_picture() -> None:
    (point,) = found(-50, 700, 0.75, 0, 0, 0)
    assert (point["x"], point["y"]) == (0.0, 720.0)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_point_that_is_no_number_is_left_out_and_its_box_stays(place: int, value: float) -> None:
    points = [300, 310, 0.75, 330, 320, 0.5]
    points[place] = value
    assert [each["class_id"] for each in found(*points)] == [1]


def test_each_class_may_have_names_of_its_own() -> None:
    model = msgspec.structs.replace(MODEL, skeletons=(HANDS, spec.Skeleton(("beak", "tail"))))
    assert [each["class"] for each in found(1, 200, 1, 2, 200, 1, model=model)] == ["beak", "tail"]


@pytest.mark.parametrize("skeletons", [(), (HANDS, HANDS, HANDS), (spec.Skeleton(("left",)),)])
def test_a_point_without_a_name_goes_by_its_number(skeletons: tuple[spec.Skeleton, ...]) -> None:
    model = msgspec.structs.replace(MODEL, skeletons=skeletons)
    names = [each["class"] for each in found(1, 200, 1, 2, 200, 1, model=model)]
    assert names[1] == ("right" if len(skeletons) == 3 else "1")


def test_nothing_found_is_an_empty_list() -> None:
    outputs = [scenes.rows(columns=12)]
    assert scenes.answer(outputs, MODEL, messages.KeypointParams())["predictions"] == []
