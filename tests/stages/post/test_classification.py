"""Scores become a ranking, or a verdict on each class."""

from typing import Any

import msgspec
import numpy as np
import pytest

from parallax.contract import errors, messages, tasks
from tests.stages.post import scenes

SINGLE = msgspec.structs.replace(scenes.DETECTOR, task=tasks.CLASSIFICATION)
MULTI = msgspec.structs.replace(SINGLE, multi_label=True)


def answer(*scores: float, model: Any = SINGLE, confidence: float = 0.4) -> dict[str, Any]:
    params = messages.ClassificationParams(confidence)
    return scenes.answer([np.array(scores, np.float32)], model, params)


def test_classes_that_pass_are_ranked() -> None:
    assert answer(0.40004, 0.1, 0.5) == {
        "image": {"width": 1280, "height": 720},
        "predictions": [
            {"class": "bird", "class_id": 2, "confidence": 0.5},
            {"class": "cat", "class_id": 0, "confidence": 0.4},
        ],
        "top": "bird",
        "confidence": 0.5,
    }


def test_the_threshold_is_compared_before_rounding() -> None:
    assert answer(0.39996, 0.1, 0.1)["predictions"] == []


def test_nothing_passed_has_no_top() -> None:
    answered = answer(0.1, 0.2, 0.3)
    assert (answered["predictions"], answered["top"], answered["confidence"]) == ([], "", 0.0)


def test_equal_scores_keep_the_order_of_classes() -> None:
    assert [each["class_id"] for each in answer(0.5, 0.5, 0.5)["predictions"]] == [0, 1, 2]


def test_many_labels_are_all_given() -> None:
    answered = answer(0.7, 0.12346, 0.4, model=MULTI)
    assert answered["predictions"] == {
        "cat": {"confidence": 0.7, "class_id": 0},
        "dog": {"confidence": 0.1235, "class_id": 1},
        "bird": {"confidence": 0.4, "class_id": 2},
    }
    assert answered["predicted_classes"] == ["cat", "bird"]
    assert set(answered) == {"image", "predictions", "predicted_classes"}


@pytest.mark.parametrize("model", [SINGLE, MULTI])
def test_hidden_classes_are_not_given(model: Any) -> None:
    shown = msgspec.structs.replace(model, hidden=(0,))
    assert "cat" not in str(answer(0.9, 0.8, 0.7, model=shown))


@pytest.mark.parametrize(("score", "given"), [(np.nan, 0.0), (np.inf, 1.0), (-np.inf, 0.0)])
def test_what_is_no_number_becomes_one(score: float, given: float) -> None:
    answered = answer(score, 0.1, 0.1, model=MULTI)
    assert answered["predictions"]["cat"]["confidence"] == given


@pytest.mark.parametrize("scores", [(), (0.5,), (0.1,) * 4])
def test_scores_of_another_number_are_the_models_fault(scores: tuple[float, ...]) -> None:
    with pytest.raises(errors.ModelFailedError):
        answer(*scores)
