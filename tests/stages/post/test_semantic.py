"""Classes of pixels become masks of the picture's size."""

import base64
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec, tasks
from tests.stages.post import scenes

MODEL = msgspec.structs.replace(
    scenes.DETECTOR,
    task=tasks.SEMANTIC_SEGMENTATION,
    labels=("background", "road", "tree"),
    input=spec.InputSpec(8, 8),
)
# A picture of 16x8, scaled by a half: two rows of padding above and below.
PLACED = messages.Geometry(16, 8, 0.5, 0.5, 0.0, 2.0)


def mask(text: str) -> NDArray[np.uint8]:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)


def answer(
    classes: NDArray[np.uint8],
    confidence: NDArray[np.uint8],
    model: spec.ModelSpec = MODEL,
    placed: messages.Geometry = PLACED,
    threshold: float = 0.4,
) -> dict[str, Any]:
    params = messages.SemanticParams(threshold)
    answered = scenes.answer([classes, confidence], model, params, placed)
    predictions: dict[str, Any] = answered["predictions"]
    return predictions


def pixels(value: int) -> NDArray[np.uint8]:
    return np.full((8, 8), value, np.uint8)


def test_masks_have_the_size_of_the_picture_without_padding() -> None:
    classes, confidence = pixels(2), pixels(200)
    classes[2:6, :4] = 1
    found = answer(classes, confidence)
    seen = mask(found["segmentation_mask"])
    assert seen.shape == (8, 16)
    assert (seen[:, :8] == 1).all()
    assert (seen[:, 8:] == 2).all()
    assert (mask(found["confidence_mask"]) == 200).all()


def test_classes_are_named_and_those_present_listed() -> None:
    classes = pixels(0)
    classes[3, 3] = 2
    found = answer(classes, pixels(255))
    assert found["class_map"] == {"0": "background", "1": "road", "2": "tree"}
    assert found["present_class_ids"] == [0, 2]
    assert set(found) == {
        "segmentation_mask", "confidence_mask", "class_map", "present_class_ids",
    }  # fmt: skip


def test_a_class_that_is_only_in_the_padding_is_not_present() -> None:
    classes = pixels(1)
    classes[:2] = 2
    assert answer(classes, pixels(255))["present_class_ids"] == [1]


def test_pixels_below_the_threshold_are_background_without_confidence() -> None:
    confidence = pixels(127)
    confidence[:, :4] = 126
    found = answer(pixels(1), confidence, threshold=0.5)
    assert (mask(found["segmentation_mask"])[0] == [0] * 8 + [1] * 8).all()
    assert (mask(found["confidence_mask"])[0] == [0] * 8 + [127] * 8).all()


def test_background_is_found_by_its_name() -> None:
    model = msgspec.structs.replace(MODEL, labels=("road", "Background"))
    assert answer(pixels(0), pixels(10), model)["present_class_ids"] == [1]


@pytest.mark.parametrize("hidden", [(1,), (0, 1)])
def test_hidden_classes_are_background(hidden: tuple[int, ...]) -> None:
    model = msgspec.structs.replace(MODEL, hidden=hidden)
    assert answer(pixels(1), pixels(255), model)["present_class_ids"] == [0]


def test_what_was_cropped_away_is_background() -> None:
    placed = messages.Geometry(20, 20, 1.0, 1.0, 0.0, 0.0, messages.Crop(4, 6, 8, 8))
    found = answer(pixels(1), pixels(255), placed=placed)
    for seen in (mask(found["segmentation_mask"]), mask(found["confidence_mask"])):
        assert (seen[6:14, 4:12] > 0).all()
        assert np.count_nonzero(seen) == 64


def test_the_network_may_have_seen_only_the_middle() -> None:
    placed = messages.Geometry(20, 20, 1.0, 1.0, -6.0, -6.0)
    seen = mask(answer(pixels(1), pixels(255), placed=placed)["segmentation_mask"])
    assert (seen[6:14, 6:14] == 1).all()
    assert np.count_nonzero(seen) == 64


@pytest.mark.parametrize("threshold", [-1e308, 1e308])
def test_a_threshold_out_of_range_lets_all_or_nothing_through(threshold: float) -> None:
    present = answer(pixels(1), pixels(255), threshold=threshold)["present_class_ids"]
    assert present == [1 if threshold < 0 else 0]


def test_a_class_without_a_label_is_the_models_fault() -> None:
    with pytest.raises(errors.ModelFailedError, match="found the class 3 of 3 classes"):
        answer(pixels(3), pixels(255))
