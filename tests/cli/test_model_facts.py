"""A model in words."""

from typing import Any

import msgspec
import pytest

from parallax.cli import model_facts
from parallax.contract import spec, tasks

MODEL = spec.ModelSpec(
    id="shop/3", version="v", task=tasks.OBJECT_DETECTION, family="yolov8", labels=("cat", "dog"),
    input=spec.InputSpec(640, 480), batch=spec.BatchSpec(max_size=8), graph="g", fused=True,
    input_name="x", output_names=("y",), source="m.onnx",
)  # fmt: skip


def model(**changes: Any) -> spec.ModelSpec:
    return msgspec.structs.replace(MODEL, **changes)


def test_a_row() -> None:
    assert model_facts.row(MODEL) == {
        "id": "shop/3",
        "task": "object-detection",
        "family": "yolov8",
        "classes": "2: cat, dog",
        "input": "640x480 letterbox",
        "steps": "auto-orient",
        "confidence": "default 0.4",
        "batch": "up to 8",
        "fused": True,
    }


def test_many_classes_are_cut_in_a_row_only() -> None:
    many = model(labels=("a", "b", "c", "d"))
    assert model_facts.row(many)["classes"] == "4: a, b, c, ..."
    assert model_facts.all_of(many)["classes"] == "4: a, b, c, d"


def test_steps_in_their_order() -> None:
    given = spec.InputSpec(
        8, 8, auto_orient=False, crop=(0, 10, 50, 99.5), grayscale=True, contrast="adaptive"
    )
    steps = model_facts.row(model(input=given))["steps"]
    assert steps == "crop 0,10 to 50,99.5 %, grayscale, contrast adaptive"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (spec.Thresholds(0.5, 0.25), "default 0.5, best 0.25"),
        (spec.Thresholds(0.5, 0.25, (0.1, 0.2)), "default 0.5, best by class"),
    ],
)
def test_thresholds(given: spec.Thresholds, text: str) -> None:
    assert model_facts.row(model(thresholds=given))["confidence"] == text


@pytest.mark.parametrize(
    ("changes", "name", "text"),
    [
        ({"hidden": (1,)}, "hidden", "dog"),
        ({"suppress": False}, "suppression", "none, the network's boxes are final"),
        ({"task": tasks.CLASSIFICATION, "multi_label": True}, "several labels", True),
        ({"aliases": ("a", "b/1")}, "aliases", "a, b/1"),
        ({"skeletons": (spec.Skeleton(("n", "t")),)}, "keypoints", "2: n, t"),
        (
            {"skeletons": (spec.Skeleton(("n",)), spec.Skeleton(("t",)))},
            "keypoints",
            "cat 1: n; dog 1: t",
        ),
        (
            {"thresholds": spec.Thresholds(best_by_class=(0.1, 0.25))},
            "confidence by class",
            "cat 0.1, dog 0.25",
        ),
        (
            {"task": tasks.INSTANCE_SEGMENTATION, "layout": spec.Layout(coefficients=32)},
            "masks",
            "32 coefficients",
        ),
    ],
)
def test_facts_beyond_the_row(changes: dict[str, Any], name: str, text: object) -> None:
    assert name not in model_facts.all_of(model(task=tasks.SEMANTIC_SEGMENTATION))
    assert model_facts.all_of(model(**changes))[name] == text
