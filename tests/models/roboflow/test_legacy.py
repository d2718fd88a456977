"""The older layout: what its files say, as an object or as a text of one."""

import json
from pathlib import Path
from typing import Any

import pytest

from parallax.models import description
from parallax.models.roboflow import legacy
from tests.support import packages

ALL_STEPS: dict[str, Any] = {
    "auto-orient": {"enabled": True},
    "resize": {"enabled": True, "format": "Fit (white edges) in", "width": 64, "height": "96"},
    "static-crop": {"enabled": True, "x_min": 10, "x_max": 90, "y_min": 20, "y_max": 80},
    "contrast": {"enabled": True, "type": "Adaptive Equalization"},
    "grayscale": {"enabled": True},
}


def environment(folder: Path, content: object, task: str | None = None) -> description.Description:
    return legacy.environment(packages.write(folder / "environment.json", content), task)


def kind(folder: Path, **content: object) -> description.Description:
    return legacy.model_type(packages.write(folder / "model_type.json", content))


def steps(folder: Path, **given: object) -> description.InputDescription:
    return environment(folder, {"PREPROCESSING": given or {"x": 1}}).input


@pytest.mark.parametrize("nested", [False, True])
def test_environment(tmp_path: Path, nested: bool) -> None:
    found = environment(
        tmp_path,
        {
            "PREPROCESSING": json.dumps(ALL_STEPS) if nested else ALL_STEPS,
            "CLASS_MAP": {"1": "dog", "0": "cat"},
            "COLORS": {"dog": "#fff", "cat": "#FF8000", "owl": "red", "emu": 3},
            "MULTICLASS": False,
            "EPOCHS": 300,
        },
    )
    assert found == description.Description(
        labels=("cat", "dog"),
        colors={"dog": "#ffffff", "cat": "#FF8000"},
        multi_label=False,
        input=description.InputDescription(
            width=64,
            height=96,
            auto_orient=True,
            crop=(10.0, 20.0, 90.0, 80.0),
            grayscale=True,
            contrast="adaptive",
            resize="letterbox",
            padding=255,
        ),
    )


@pytest.mark.parametrize("content", [{}, {"PREPROCESSING": None}, {"PREPROCESSING": {}}])
def test_an_environment_that_says_nothing(tmp_path: Path, content: object) -> None:
    assert environment(tmp_path, content) == description.Description()


def test_a_step_that_is_not_there_is_off(tmp_path: Path) -> None:
    assert steps(tmp_path) == description.InputDescription(
        auto_orient=False, grayscale=False, resize="stretch"
    )


@pytest.mark.parametrize(
    ("given", "on"),
    [({"enabled": True}, True), ({}, True), ({"enabled": False}, False), (True, True)],
)
def test_orientation(tmp_path: Path, given: object, on: bool) -> None:
    assert steps(tmp_path, **{"auto-orient": given}).auto_orient is on


@pytest.mark.parametrize(
    ("word", "resize", "padding"),
    [
        ("Stretch to", "stretch", None),
        ("Fit (black edges) in", "letterbox", 0),
        ("Fit (white edges) in", "letterbox", 255),
        ("Fit (grey edges) in", "letterbox", 114),
        ("Fit (reflect edges) in", "letterbox-reflect", None),
        ("Fit within", "letterbox", 0),
        ("Fill (with center crop) in", "fill", None),
        ("Juggle to", "stretch", None),
        (None, "stretch", None),
    ],
)
def test_resizing(tmp_path: Path, word: str | None, resize: str, padding: int | None) -> None:
    found = steps(tmp_path, resize={"format": word, "width": 32, "height": 32})
    assert (found.resize, found.padding) == (resize, padding)


@pytest.mark.parametrize("given", [{"enabled": False, "type": "?"}, False, None, {}])
def test_a_step_that_is_off_says_nothing(tmp_path: Path, given: object) -> None:
    found = steps(tmp_path, contrast=given, grayscale=given, **{"static-crop": given})
    assert (found.contrast, found.grayscale, found.crop) == (None, False, None)


@pytest.mark.parametrize(
    ("word", "contrast"),
    [
        ("Contrast Stretching", "stretching"),
        ("Histogram Equalization", "equalization"),
        ("Adaptive Equalization", "adaptive"),
    ],
)
def test_contrast(tmp_path: Path, word: str, contrast: str) -> None:
    assert steps(tmp_path, contrast={"enabled": True, "type": word}).contrast == contrast


@pytest.mark.parametrize(
    ("task", "multi_label", "activation"),
    [("classification", True, "none"), (None, True, "none"), ("object-detection", None, None)],
)
def test_classes_that_do_not_exclude_each_other_have_their_sigmoid_in_the_graph(
    tmp_path: Path, task: str | None, multi_label: bool | None, activation: str | None
) -> None:
    found = environment(tmp_path, {"MULTICLASS": True}, task)
    assert (found.multi_label, found.activation) == (multi_label, activation)


@pytest.mark.parametrize(("given", "size"), [(560, (560, 560)), ([384, 512], (512, 384))])
def test_the_resolution_of_the_network_is_stronger_than_the_data_sets(
    tmp_path: Path, given: object, size: tuple[int, int]
) -> None:
    resize = {"resize": {"format": "Stretch to", "width": 640, "height": 640}}
    found = environment(tmp_path, {"RESOLUTION": given, "PREPROCESSING": resize}).input
    assert (found.width, found.height) == size


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[1]", "no valid JSON object"),
        ("{", "no valid JSON object"),
        ({"PREPROCESSING": 3}, "expected an object, found int"),
        ({"PREPROCESSING": "{"}, "no valid JSON object"),
        ({"PREPROCESSING": {"resize": [1]}}, "expected an object, found list"),
        ({"PREPROCESSING": {"resize": {"width": 4}}}, "Expected `int` >= 8 - at `$.input.width`"),
        (
            {"PREPROCESSING": {"contrast": {"enabled": True, "type": "More"}}},
            "the contrast 'More' is not served",
        ),
        (
            {"PREPROCESSING": {"static-crop": {"enabled": True, "x_min": 70, "x_max": 30}}},
            "a min is not below its max",
        ),
        (
            {"PREPROCESSING": {"static-crop": {"enabled": True, "x_min": "left"}}},
            "Expected `float`, got `str` - at `$.input.crop[0]`",
        ),
        ({"CLASS_MAP": {"0": "a", "7": "b"}}, "CLASS_MAP does not number its classes"),
        ({"CLASS_MAP": {"0": ""}}, "at `$.labels[0]`"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    message = packages.refusal(lambda: environment(tmp_path, content))
    assert message.startswith(f"{tmp_path / 'environment.json'}: ")
    assert reason in message


@pytest.mark.parametrize(
    ("word", "task"),
    [
        ("yolov5v2s", None),
        ("yolov8n", None),
        ("yolov8n-seg", "instance-segmentation"),
        ("yolov8n-pose", "keypoint-detection"),
        ("yolov8n-cls", "classification"),
        ("yolo26n-sem", "semantic-segmentation"),
        ("yolo_nas_s", None),
        ("rfdetr-base", None),
        ("rfdetr-seg-preview", "instance-segmentation"),
        ("rfdetr-keypoint-preview", "keypoint-detection"),
        ("vit", None),
        ("deep-lab-v3-plus", None),
    ],
)
def test_kinds_of_models(tmp_path: Path, word: str, task: str | None) -> None:
    found = kind(tmp_path, model_type=word)
    assert (found.architecture, found.task) == (word.replace("_", "-"), task)


def test_the_word_for_the_task_is_stronger_than_the_kind(tmp_path: Path) -> None:
    found = kind(
        tmp_path,
        model_type="yolov8n-seg",
        project_task_type="object-detection",
        model_id="s/3",
        model_variant="n",
    )
    assert found == description.Description(
        task="object-detection", architecture="yolov8n-seg", aliases=("s/3",)
    )


def test_a_task_of_several_labels(tmp_path: Path) -> None:
    found = kind(tmp_path, model_type="vit", project_task_type="multi-label-classification")
    assert (found.task, found.multi_label) == ("classification", True)


def test_a_task_that_is_not_served(tmp_path: Path) -> None:
    reason = packages.refusal(lambda: kind(tmp_path, project_task_type="depth-estimation"))
    assert "the task 'depth-estimation' is not served" in reason
