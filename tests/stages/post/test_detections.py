"""Candidates become the predictions a client reads."""

import json
import uuid
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.stages.post import respond
from tests.stages.post import scenes
from tests.stages.post.scenes import rows

KEYS = ["x", "y", "width", "height", "confidence", "class", "class_id", "detection_id"]


def answer(
    outputs: NDArray[np.float32], model: spec.ModelSpec = scenes.DETECTOR, **params: Any
) -> dict[str, Any]:
    wanted = messages.DetectionParams(**{"confidence": 0.4, "iou_threshold": 0.3, **params})
    return scenes.answer([outputs], model, wanted)


def names(
    outputs: NDArray[np.float32], model: spec.ModelSpec = scenes.DETECTOR, **params: Any
) -> list[str]:
    return [found["class"] for found in answer(outputs, model, **params)["predictions"]]


def test_a_box_is_given_in_pixels_of_the_picture() -> None:
    answered = answer(rows((320, 320, 100, 50, 0.876543, 1)))
    assert list(answered) == ["image", "predictions"]
    assert answered["image"] == {"width": 1280, "height": 720}
    (found,) = answered["predictions"]
    assert list(found) == KEYS
    assert uuid.UUID(found.pop("detection_id")).version == 4
    assert found == {
        "x": 640.0,
        "y": 360.0,
        "width": 200.0,
        "height": 100.0,
        "confidence": 0.87654,
        "class": "dog",
        "class_id": 1,
    }


def test_nothing_found_is_an_empty_list() -> None:
    assert answer(rows())["predictions"] == []


def test_boxes_are_clipped_to_the_picture() -> None:
    (found,) = answer(rows((0, 140, 100, 50, 0.9, 0)))["predictions"]
    assert [found[key] for key in KEYS[:4]] == [50, 25, 100, 50]


def test_a_box_in_the_padding_is_left_out() -> None:
    assert names(rows((320, 50, 100, 50, 0.9, 0))) == []


def test_best_first() -> None:
    found = rows((100, 200, 9, 9, 0.5, 0), (200, 300, 9, 9, 0.9, 1), (300, 400, 9, 9, 0.7, 2))
    assert names(found) == ["dog", "bird", "cat"]


def test_the_threshold_itself_passes() -> None:
    found = rows((100, 200, 9, 9, 0.5, 0), (300, 300, 9, 9, 0.4999, 1))
    assert names(found, confidence=0.5) == ["cat"]


def test_suppression_is_per_class_unless_asked_otherwise() -> None:
    found = rows((100, 200, 50, 50, 0.9, 0), (101, 200, 50, 50, 0.8, 1), (102, 200, 50, 50, 0.7, 0))
    assert names(found) == ["cat", "dog"]
    assert names(found, class_agnostic_nms=True) == ["cat"]


def test_classes_are_filtered_before_the_cut() -> None:
    found = rows((100, 200, 9, 9, 0.9, 0), (200, 300, 9, 9, 0.8, 0), (300, 400, 9, 9, 0.7, 2))
    assert names(found, max_detections=1, class_filter=("bird", "unknown")) == ["bird"]


def test_an_empty_filter_finds_nothing() -> None:
    assert names(rows((100, 200, 9, 9, 0.9, 0)), class_filter=()) == []


def test_at_most_max_detections() -> None:
    found = rows(*((50 + 20 * i, 300, 9, 9, 0.9, 0) for i in range(20)))
    assert len(names(found, max_detections=7)) == 7


def test_a_crowd_is_cut_to_the_best_candidates() -> None:
    random = np.random.default_rng(0)
    found = np.concatenate(
        [
            random.uniform(200, 500, (5000, 2)),
            np.full((5000, 2), 20),
            random.uniform(0, 1, (5000, 1)),
            random.integers(0, 3, (5000, 1)),
        ],
        axis=1,
    ).astype(np.float32)
    scores = [p["confidence"] for p in answer(found, confidence=0.0)["predictions"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 300


@pytest.mark.parametrize("column", range(6))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_never_given(column: int, value: float) -> None:
    found = rows((100, 200, 9, 9, 0.9, 0), (300, 300, 9, 9, 0.8, 1))
    found[0, column] = value
    assert names(found) == ["dog"]


def test_ids_come_from_the_given_source() -> None:
    found = rows((100, 200, 9, 9, 0.9, 0), (300, 300, 9, 9, 0.8, 1))
    params = messages.DetectionParams()
    text = respond.respond(
        [found], scenes.DETECTOR, params, scenes.PLACED, None, lambda count: b"\xff" * count
    )
    ids = [p["detection_id"] for p in json.loads(text)["predictions"]]
    assert ids == ["ffffffff-ffff-4fff-bfff-ffffffffffff"] * 2


@pytest.mark.parametrize("shape", [(6,), (3, 5), (1, 3, 6)])
def test_outputs_of_another_shape_are_the_models_fault(shape: tuple[int, ...]) -> None:
    with pytest.raises(errors.ModelFailedError):
        answer(np.zeros(shape, dtype=np.float32))


def test_a_class_without_a_label_is_the_models_fault() -> None:
    with pytest.raises(errors.ModelFailedError, match="found the class 3 of 3 classes"):
        answer(rows((100, 200, 9, 9, 0.9, 3)))


def test_no_output_at_all_is_the_models_fault() -> None:
    with pytest.raises(errors.ModelFailedError, match="returned nothing"):
        scenes.answer([], scenes.DETECTOR, messages.DetectionParams())


@pytest.mark.parametrize("class_id", [-1.0, 3.0, 1e30])
def test_no_class_is_taken_for_another(class_id: float) -> None:
    with pytest.raises(errors.ModelFailedError, match="of 3 classes"):
        answer(rows((100, 200, 9, 9, 0.9, class_id)), class_confidence=(0.4, 0.4, 0.4))


def test_classes_may_have_thresholds_of_their_own() -> None:
    found = rows((100, 200, 9, 9, 0.5, 0), (200, 300, 9, 9, 0.5, 1), (300, 400, 9, 9, 0.5, 2))
    assert names(found, class_confidence=(0.6, 0.5, 0.4)) == ["dog", "bird"]


def test_hidden_classes_are_never_given() -> None:
    model = msgspec.structs.replace(scenes.DETECTOR, hidden=(0, 2))
    found = rows((100, 200, 9, 9, 0.5, 0), (200, 300, 9, 9, 0.5, 1), (300, 400, 9, 9, 0.5, 2))
    assert names(found, model) == ["dog"]


def test_a_model_that_suppresses_by_itself_keeps_boxes_that_overlap() -> None:
    model = msgspec.structs.replace(scenes.DETECTOR, suppress=False)
    found = rows((100, 200, 50, 50, 0.7, 0), (100, 200, 50, 50, 0.9, 1), (101, 200, 50, 50, 0.8, 0))
    assert names(found, model, max_detections=2) == ["dog", "cat"]


@pytest.mark.parametrize("suppress", [True, False])
def test_less_than_no_detections_are_none(suppress: bool) -> None:
    model = msgspec.structs.replace(scenes.DETECTOR, suppress=suppress)
    assert names(rows((100, 200, 9, 9, 0.9, 0)), model, max_detections=-1) == []
