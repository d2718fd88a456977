"""The newer layout: ``model_config.json`` and ``inference_config.json``."""

from pathlib import Path
from typing import Any

import pytest

from parallax.models import description
from parallax.models.roboflow import newer
from tests.support import packages

NETWORK: dict[str, Any] = {
    "training_input_size": {"height": 64, "width": 96},
    "color_mode": "bgr",
    "resize_mode": "letterbox",
    "padding_value": 127,
    "input_channels": 3,
    "scaling_factor": 255,
    "normalization": [[0.1, 0.2, 0.3], [1, 1, 1]],
}


def model(folder: Path, **content: object) -> description.Description:
    return newer.model_config(packages.write(folder / "model_config.json", content))


def read(
    folder: Path, content: object, architecture: str = ""
) -> tuple[description.Description, tuple[str, ...]]:
    path = packages.write(folder / "inference_config.json", content)
    return newer.inference_config(path, architecture)


def described(folder: Path, **content: object) -> description.Description:
    return read(folder, content)[0]


def test_model_config(tmp_path: Path) -> None:
    found = model(
        tmp_path,
        model_architecture="yolov8",
        task_type="object-detection",
        backend_type="onnx",
        model_id="shop/4",
        canonical_model_id="store/4",
        recommended_parameters={"confidence": 0.3, "per_class_confidence": {"cat": 1.01}},
    )
    assert found == description.Description(
        task="object-detection",
        architecture="yolov8",
        aliases=("shop/4", "store/4"),
        thresholds=description.ThresholdsDescription(best=0.3, best_by_class={"cat": 1.01}),
    )


def test_inference_config(tmp_path: Path) -> None:
    found, notes = read(
        tmp_path,
        {
            "image_pre_processing": {
                "auto-orient": {"enabled": True},
                "grayscale": {"enabled": True},
            },
            "network_input": NETWORK,
            "forward_pass": {"static_batch_size": None, "max_dynamic_batch_size": 8},
            "post_processing": {
                "type": "nms",
                "fused": False,
                "nms_parameters": {"confidence_threshold": 0.25, "iou_threshold": 0.5},
            },
            "class_names_operations": [{"type": "class_name_removal", "class_name": "background"}],
        },
    )
    assert notes == ()
    assert found == description.Description(
        hidden=("background",),
        input=description.InputDescription(
            width=96,
            height=64,
            auto_orient=True,
            grayscale=True,
            resize="letterbox",
            padding=127,
            color="bgr",
            scale=255.0,
            mean=(0.1, 0.2, 0.3),
            std=(1.0, 1.0, 1.0),
        ),
        batching=description.BatchingDescription(max=8),
        thresholds=description.ThresholdsDescription(default=0.25),
    )


@pytest.mark.parametrize(
    ("mode", "architecture", "resize", "padding"),
    [
        ("stretch", "yolov8", "stretch", 0),
        ("letterbox", "yolov8", "letterbox", 0),
        ("letterbox-reflect-edges", "yolov8", "letterbox-reflect", 0),
        ("center-crop", "vit", "center-crop", 0),
        ("fit-longer-edge", "yolov8", "letterbox", 127),
        ("fit-longer-edge", "rfdetr", "stretch", 0),
        ("fit-longer-edge", "resnet", "stretch", 0),
        (None, "yolov8", "stretch", 0),
    ],
)
def test_resizing(
    tmp_path: Path, mode: str | None, architecture: str, resize: str, padding: int
) -> None:
    found = read(tmp_path, {"network_input": {"resize_mode": mode}}, architecture)[0].input
    assert (found.resize, found.padding) == (resize, padding)


def test_what_the_network_input_does_not_say_is_not_done(tmp_path: Path) -> None:
    found = described(tmp_path, network_input={"color_mode": "rgb"}).input
    assert (found.scale, found.mean, found.std) == (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_orientation_is_only_left_out_when_that_is_said(tmp_path: Path) -> None:
    assert described(tmp_path).input.auto_orient is None
    off = {"auto-orient": {"enabled": False}}
    assert described(tmp_path, image_pre_processing=off).input.auto_orient is False


@pytest.mark.parametrize(
    ("given", "activation", "multi_label", "suppress"),
    [
        ({"type": "softmax", "fused": False}, "softmax", None, None),
        ({"type": "softmax", "fused": True}, "none", None, None),
        ({"type": "sigmoid", "fused": False}, "sigmoid", True, None),
        ({"type": "sigmoid", "fused": True}, "none", True, None),
        ({"type": "nms", "fused": True}, None, None, False),
        ({"type": "nms", "fused": False}, None, None, None),
        (None, None, None, None),
    ],
)
def test_post_processing(
    tmp_path: Path,
    given: object,
    activation: str | None,
    multi_label: bool | None,
    suppress: bool | None,
) -> None:
    found = described(tmp_path, post_processing=given)
    assert (found.activation, found.multi_label, found.suppress) == (
        activation,
        multi_label,
        suppress,
    )


@pytest.mark.parametrize(
    ("given", "largest"),
    [
        ({"static_batch_size": 1, "max_dynamic_batch_size": 8}, 1),
        ({"max_dynamic_batch_size": 100_000}, 1024),
        ({}, None),
    ],
)
def test_batches(tmp_path: Path, given: object, largest: int | None) -> None:
    assert described(tmp_path, forward_pass=given).batching.max == largest


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({"dynamic_spatial_size_supported": True}, "dynamic_spatial_size is ignored"),
        (
            {"dataset_version_resize_dimensions": {"height": 1, "width": 1}},
            "dataset_version_resize_dimensions is ignored",
        ),
    ],
)
def test_what_is_left_out_of_account_is_said(tmp_path: Path, given: object, note: str) -> None:
    (only,) = read(tmp_path, {"network_input": given})[1]
    assert only.startswith(note)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"backend_type": "trt"}, "a package for the back end 'trt' is not served, only onnx"),
        ({"backend_type": 7}, "a package for the back end '7' is not served"),
        ({"model_module": "x.py"}, "a package with code of its own is not served"),
        ({"task_type": "depth-estimation"}, "the task 'depth-estimation' is not served"),
        ({"recommended_parameters": {"confidence": 40}}, "at `$.thresholds.best`"),
        ({"recommended_parameters": [1]}, "expected an object, found list"),
    ],
)
def test_a_model_config_that_is_refused(
    tmp_path: Path, content: dict[str, object], reason: str
) -> None:
    message = packages.refusal(lambda: model(tmp_path, **content))
    assert message.startswith(f"{tmp_path / 'model_config.json'}: ")
    assert reason in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"network_input": {"resize_mode": "juggle"}}, "the resize_mode 'juggle' is not served"),
        ({"network_input": {"input_channels": 1}}, "a network of 1 input channels is not served"),
        ({"network_input": {"normalization": [[0, 0, 0]]}}, "normalization is not [[mean], [std]]"),
        ({"network_input": {"normalization": [[0], [1]]}}, "at `$.input.mean`"),
        ({"network_input": {"color_mode": "hsv"}}, "Invalid enum value 'hsv'"),
        ({"network_input": {"scaling_factor": 0.5}}, "at `$.input.scale`"),
        ({"network_input": {"padding_value": 300}}, "at `$.input.padding`"),
        ({"post_processing": [1]}, "expected an object, found list"),
        ({"class_names_operations": [{"type": "shout"}]}, "the class_names_operation 'shout'"),
        ({"class_names_operations": {}}, "expected a list, found dict"),
        ({"image_pre_processing": {"contrast": 3}}, "expected an object, found int"),
    ],
)
def test_an_inference_config_that_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    message = packages.refusal(lambda: read(tmp_path, content))
    assert message.startswith(f"{tmp_path / 'inference_config.json'}: ")
    assert reason in message
