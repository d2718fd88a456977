"""Package and graph agree on how a model is served, or it is refused with both sides named."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from parallax.contract import errors, spec
from parallax.models import package, resolve
from tests.support import onnx_heads, onnx_models, packages


def resolved(folder: Path, toml: str = "", **recipe: Any) -> resolve.Resolved:
    path = folder / "m.onnx"
    if not path.exists():
        onnx_models.make(path, onnx_models.Recipe(**recipe))
    path.with_suffix(".toml").write_text(toml)
    return resolve.resolve(package.read(package.Found("m", path)))


def refusal(folder: Path, toml: str = "", **recipe: Any) -> str:
    with pytest.raises(errors.ModelRefusedError) as caught:
        resolved(folder, toml, **recipe)
    assert caught.value.message.startswith(f"{folder / 'm.onnx'}: ")
    return caught.value.message


def unknown_shapes(folder: Path) -> None:
    path = onnx_models.make(folder / "m.onnx", onnx_models.Recipe(symbolic=True))
    onnx.save(onnx_models.with_riddle(onnx.load(path)), path)


def flat(path: Path) -> onnx.ModelProto:
    """Return a model with all its output in one row."""
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Flatten", ["output0"], ["flat"]))
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("flat", 1, (None, 588)))
    return model


def test_a_bare_yolov8_file(tmp_path: Path) -> None:
    how = resolved(tmp_path)
    assert how.head.family.name == "yolov8"
    assert how.labels == ("0", "1", "2")
    assert how.input == spec.InputSpec(64, 64, "letterbox", 114)
    assert how.pixels == spec.PlainInput(swap=False, scale=255.0)
    assert how.batch is None
    assert how.notes == (
        "family yolov8 inferred from the output shapes (?, 7, 84)",
        "no labels given; classes are named by their numbers",
    )


def test_a_bare_yolox_file(tmp_path: Path) -> None:
    how = resolved(tmp_path, family="yolox", batch=1)
    assert how.head.family.name == "yolox"
    assert how.input == spec.InputSpec(64, 64, "letterbox-top-left", 114)
    assert how.pixels == spec.PlainInput(swap=True, scale=1.0)
    assert how.batch == 1


def test_a_decoded_export_is_named(tmp_path: Path) -> None:
    toml = 'family = "yolox"\ndecoded = true'
    assert resolved(tmp_path, toml, family="yolox-decoded").head.family.name == "yolox-decoded"


def test_decoded_says_nothing_new_of_yolov8(tmp_path: Path) -> None:
    assert resolved(tmp_path, 'family = "yolov8"\ndecoded = true').head.family.name == "yolov8"


def test_the_package_overrides_the_familys_input(tmp_path: Path) -> None:
    how = resolved(
        tmp_path,
        """
        labels = ["a", "b", "c"]
        [input]
        resize = "stretch"
        padding = 0
        color = "bgr"
        scale = 1
        mean = [1, 2, 3]
        std = [4, 5, 6]
        """,
        dtype=np.float16,
    )
    assert how.input == spec.InputSpec(64, 64, "stretch", 0)
    assert how.pixels == spec.PlainInput(True, 1.0, (1, 2, 3), (4, 5, 6), "float16")
    assert how.labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("name", "toml", "side"),
    [
        ("yolo26", "family = 'yolo26'\nlabels = ['a', 'b', 'c']", 640),
        ("rtdetr", "family = 'rtdetr'", 640),
        ("rf-detr", "family = 'rf-detr'", 560),
        ("rf-detr-seg", "", 560),
        ("classifier-softmax", "family = 'resnet'", 224),
        ("deeplab", "", 512),
        ("deeplab", "[input]\nwidth = 320\nheight = 320", 320),
    ],
)
def test_symbolic_sides_are_those_usual_in_the_family(
    tmp_path: Path, name: str, toml: str, side: int
) -> None:
    outputs = onnx_heads.HEADS[name].outputs
    recipe = onnx_heads.Recipe(outputs, sides=("height", "width"))
    onnx_heads.make(tmp_path / "m.onnx", recipe)
    how = resolved(tmp_path, toml)
    assert (how.input.width, how.input.height) == (side, side)


def test_symbolic_sides_are_fixed_by_the_package(tmp_path: Path) -> None:
    how = resolved(tmp_path, "[input]\nwidth = 320\nheight = 192", symbolic=True)
    assert (how.input.width, how.input.height) == (320, 192)
    assert how.head.layout.anchors == 1260


def test_symbolic_sides_are_fixed_by_the_metadata(tmp_path: Path) -> None:
    how = resolved(tmp_path, symbolic=True, metadata={"imgsz": "[192, 320]"})
    assert (how.input.width, how.input.height) == (320, 192)


def test_reshapes_computed_from_shapes_are_followed(tmp_path: Path) -> None:
    how = resolved(tmp_path, symbolic=True, computed=True)
    layout = how.head.layout
    assert (layout.classes, layout.anchors, how.batch) == (3, 8400, None)


def test_a_batch_that_is_constant_only_inside(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", onnx_models.Recipe(batch="n"))
    model = onnx.load(path)
    shape = next(w for w in model.graph.initializer if w.name == "shape")
    shape.CopyFrom(onnx.numpy_helper.from_array(np.array([1, 7, -1]), "shape"))
    onnx.save(model, path)
    assert resolved(tmp_path).batch == 1


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("task = 'segment'", "(?, 7, 84) fit yolov8 (object-detection), but the task is instance"),
        ("family = 'foo'", "the family 'foo' is not known (known: deeplab, "),
        ("family = 'rfdetr'", "output shapes (?, 7, 84) are not those of the family rfdetr"),
        ("family = 'yolox'", "output shapes (?, 7, 84) are not those of the family yolox"),
        (
            "task = 'pose'\nfamily = 'yolox'",
            "the family 'yolox' does object-detection, not keypoint",
        ),
        ("family = 'yolov8'\nlabels = ['a', 'b']", "not those of the family yolov8 with 2 classes"),
        ("[input]\nwidth = 32", "its input has the width 64, but the package says 32"),
        ("[input]\nheight = 32", "its input has the height 64, but the package says 32"),
    ],
)
def test_contradictions(tmp_path: Path, toml: str, reason: str) -> None:
    assert reason in refusal(tmp_path, toml)


def test_labels_in_metadata_are_checked_too(tmp_path: Path) -> None:
    metadata = {"names": "{0: 'a'}", "task": "detect"}
    assert "with 3 classes, but 1 label is given" in refusal(tmp_path, metadata=metadata)


def test_another_number_of_keypoints_than_the_head_has(tmp_path: Path) -> None:
    toml = "task = 'pose'\nfamily = 'yolov8'\nkeypoint_shape = [2, 3]"
    assert "keypoint-detection, 2 keypoints" in refusal(tmp_path, toml, classes=4)
    assert resolved(tmp_path, toml.replace("2, 3", "1, 3")).head.layout.keypoints == 1


def test_steps_of_preprocessing_reach_the_input(tmp_path: Path) -> None:
    environment = {"PREPROCESSING": {"resize": {"format": "Fit (reflect edges) in"}}}
    packages.write(tmp_path / "environment.json", environment)
    how = resolved(tmp_path, "family = 'yolov8'\ninput = { contrast = 'adaptive' }")
    assert how.input == spec.InputSpec(
        64, 64, "letterbox-reflect", auto_orient=False, contrast="adaptive"
    )


@pytest.mark.parametrize(
    ("kind", "resize", "scale"), [("vit", "stretch", 255.0), ("yolov8n-cls", "fill", 255.0)]
)
def test_a_classifier_of_roboflow(tmp_path: Path, kind: str, resize: str, scale: float) -> None:
    content = {"model_type": kind, "project_task_type": "classification"}
    packages.write(tmp_path / "model_type.json", content)
    onnx.save(flat(onnx_models.make(tmp_path / "m.onnx")), tmp_path / "m.onnx")
    how = resolved(tmp_path)
    assert (how.head.layout.classes, how.input.resize) == (588, resize)
    assert how.pixels.scale == scale


def test_an_input_of_another_type(tmp_path: Path) -> None:
    assert "its input is float64, expected" in refusal(tmp_path, dtype=np.float64)


def test_a_head_of_no_known_family(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx")
    onnx.save(flat(path), path)
    assert "(classification), but the task is object-detection" in refusal(
        tmp_path, "task = 'detect'"
    )


def test_unknown_shapes_need_family_and_labels(tmp_path: Path) -> None:
    unknown_shapes(tmp_path)
    assert "shapes are not known; name the family in model.toml" in refusal(tmp_path)
    assert "tell its number of classes" in refusal(tmp_path, "family = 'yolov8'")


def test_unknown_shapes_with_family_and_labels(tmp_path: Path) -> None:
    unknown_shapes(tmp_path)
    how = resolved(tmp_path, "family = 'yolov8'\nlabels = ['a', 'b', 'c']")
    assert not how.head.certain
    assert how.notes == ("the number of classes could not be checked against the head",)


@pytest.mark.parametrize("side", ["width", "height"])
def test_a_graph_with_an_enormous_input_is_refused(tmp_path: Path, side: str) -> None:
    model = onnx_models.build(onnx_models.Recipe())
    axes = model.graph.input[0].type.tensor_type.shape.dim
    axes[{"height": 2, "width": 3}[side]].dim_value = 1_000_000
    onnx.save(model, tmp_path / "m.onnx")
    assert refusal(tmp_path).endswith(f"the {side} 1000000, the limit is 16384 pixels")
