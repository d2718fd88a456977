"""From a description to what the stages are told."""

from pathlib import Path
from typing import Any

import pytest

from parallax.contract import spec
from parallax.models import description, served
from parallax.models.families import base
from tests.support import packages

DEFAULTS = base.Defaults(resize="stretch", padding=7, color="bgr", scale=2.0, confidence=0.5)
PATH = Path("m.onnx")


def given(**fields: Any) -> description.InputDescription:
    return description.InputDescription(**fields)


def skeletons(keypoints: int, *names: str, labels: tuple[str, ...] = ("a", "b")) -> Any:
    rows = tuple(description.KeypointsDescription(names=tuple(of)) for of in names)
    described = description.Description(keypoints=rows or None)
    return served.skeletons(described, labels, keypoints, PATH)


def test_the_family_fills_in_what_the_package_leaves_open() -> None:
    assert served.input_spec(given(), DEFAULTS, (64, 32)) == spec.InputSpec(
        64, 32, resize="stretch", padding=7
    )
    assert served.pixels(given(), DEFAULTS, "float16") == spec.PlainInput(
        swap=True, scale=2.0, dtype="float16"
    )


def test_the_package_is_stronger() -> None:
    wanted = given(
        resize="fill", padding=0, auto_orient=False, crop=(0, 0, 50, 100), grayscale=True,
        contrast="adaptive", color="rgb", scale=1.0, mean=(1, 2, 3), std=(4, 5, 6),
    )  # fmt: skip
    assert served.input_spec(wanted, DEFAULTS, (64, 32)) == spec.InputSpec(
        64, 32, "fill", 0, False, (0, 0, 50, 100), True, "adaptive"
    )
    assert served.pixels(wanted, DEFAULTS, "float32") == spec.PlainInput(
        False, 1.0, (1, 2, 3), (4, 5, 6), "float32"
    )


def test_steps_that_do_nothing_are_no_steps() -> None:
    found = served.input_spec(given(crop=(0, 0, 100, 100), contrast="none"), DEFAULTS, (8, 8))
    assert (found.crop, found.contrast) == (None, None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, spec.Thresholds(0.5)),
        ({"default": 0.0, "best": 0.25}, spec.Thresholds(0.0, 0.25)),
        ({"best_by_class": {"b": 0.9}}, spec.Thresholds(0.5, None, (0.5, 0.9))),
        ({"best": 0.2, "best_by_class": {"a": 0.1}}, spec.Thresholds(0.5, 0.2, (0.1, 0.2))),
    ],
)
def test_thresholds(fields: dict[str, Any], expected: spec.Thresholds) -> None:
    wanted = description.ThresholdsDescription(**fields)
    assert served.thresholds(wanted, ("a", "b"), DEFAULTS) == expected


def test_hidden_classes_and_the_background_of_rf_detr() -> None:
    described = description.Description(hidden=("b", "x"))
    assert served.hidden(described, ("a", "b", served.BACKGROUND)) == (1, 2)


def test_colors_by_class_id() -> None:
    described = description.Description(colors={"b": "#112233", "x": "#000000"})
    assert served.colors(described, ("a", "b")) == ("", "#112233")
    assert served.colors(described, ("a",)) == ()


def test_settings_for_classes_that_there_are_not() -> None:
    described = description.Description(
        hidden=("x", "y"), thresholds=description.ThresholdsDescription(best_by_class={"z": 1})
    )
    assert list(served.strangers(described, ("a",))) == [
        "thresholds: there is no class 'z'",
        "hidden: there is no class 'x'",
    ]


def test_a_head_without_keypoints_has_no_skeletons() -> None:
    assert skeletons(0, "ab") == ()


def test_keypoints_without_names_are_numbered() -> None:
    assert skeletons(2) == (spec.Skeleton(("0", "1")),)


def test_one_skeleton_stands_for_all_classes() -> None:
    assert skeletons(2, "pq") == (spec.Skeleton(("p", "q")),)


def test_skeletons_by_class_are_as_many_as_classes() -> None:
    assert skeletons(2, "p", "qr", labels=("a", "b", "c")) == (
        spec.Skeleton(("p",)),
        spec.Skeleton(("q", "r")),
        spec.Skeleton(()),
    )


def test_another_number_of_keypoints_is_refused() -> None:
    reason = packages.refusal(lambda: skeletons(3, "pq"))
    assert reason == "m.onnx: 2 keypoints are named, but its head has 3"


def test_keypoints_of_classes_that_there_are_not_are_refused() -> None:
    reason = packages.refusal(lambda: skeletons(1, "p", "q", "r"))
    assert reason == "m.onnx: keypoints of 3 classes are named, but there are 2"
