"""What a package says of a head is held against its shapes; without a word shapes must suffice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from parallax.contract import errors, tasks
from parallax.models import description, network, recognition
from parallax.models.families import base
from tests.support import onnx_heads

SIZE = (640, 640)
YOLOV8: list[base.Shape] = [(None, 12, 8400)]
LABELS = tuple("abcdefgh")


@pytest.fixture
def opened(tmp_path: Path) -> network.Network:
    outputs = onnx_heads.HEADS["yolov8"].outputs
    path = onnx_heads.make(tmp_path / "m.onnx", onnx_heads.Recipe(outputs))
    return network.load(path, tmp_path)


def head(opened: network.Network, shapes: Sequence[base.Shape], **said: Any) -> recognition.Head:
    return recognition.head(description.Description(**said), opened, shapes, SIZE)


def refusal(opened: network.Network, shapes: Sequence[base.Shape], **said: Any) -> str:
    with pytest.raises(errors.ModelRefusedError) as caught:
        head(opened, shapes, **said)
    start = f"{opened.path}: "
    assert caught.value.message.startswith(start)
    return caught.value.message.removeprefix(start)


def test_shapes_alone_suffice_where_one_family_fits(opened: network.Network) -> None:
    found = head(opened, YOLOV8)
    assert (found.family.name, found.family.task) == ("yolov8", tasks.OBJECT_DETECTION)
    assert (found.layout.classes, found.layout.anchors, found.certain) == (8, 8400, True)
    assert found.notes == ("family yolov8 inferred from the output shapes (?, 12, 8400)",)


def test_a_family_that_is_named_needs_no_note(opened: network.Network) -> None:
    found = head(opened, YOLOV8, family="yolo11", task=tasks.OBJECT_DETECTION, labels=LABELS)
    assert (found.family.name, found.notes) == ("yolov8", ())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            {"family": "yolox"},
            "output shapes (?, 12, 8400) are not those of the family yolox",
        ),
        (
            {"family": "yolov8", "labels": ("a", "b"), "task": tasks.OBJECT_DETECTION},
            "output shapes (?, 12, 8400) are not those of the family yolov8"
            " with object-detection, 2 classes",
        ),
        (
            {"family": "yolov8", "task": tasks.KEYPOINT_DETECTION, "keypoint_shape": (9, 3)},
            "output shapes (?, 12, 8400) are not those of the family yolov8"
            " with keypoint-detection, 9 keypoints",
        ),
        (
            {"family": "deeplab", "task": tasks.OBJECT_DETECTION},
            "the family 'deeplab' does semantic-segmentation, not object-detection",
        ),
        ({"family": "frcnn"}, "the family 'frcnn' is not known (known: deeplab, "),
        (
            {"family": "ResNet", "keypoint_shape": (17, 3)},
            "the family 'ResNet' does classification, not keypoint-detection, "
            "which [keypoints] or keypoint_shape implies",
        ),
        ({"architecture": "yolact"}, "the architecture 'yolact' is not served"),
        (
            {"architecture": "yolact", "task": tasks.INSTANCE_SEGMENTATION},
            "the architecture 'yolact' for instance-segmentation is not served",
        ),
        (
            {"labels": ("a", "b")},
            "output shapes (?, 12, 8400) fit yolov8 (object-detection) with 8 classes, "
            "but 2 labels are given",
        ),
        (
            {"task": tasks.SEMANTIC_SEGMENTATION},
            "output shapes (?, 12, 8400) fit yolov8 (object-detection), "
            "but the task is semantic-segmentation",
        ),
    ],
)
def test_contradictions_name_both_sides(
    opened: network.Network, said: dict[str, Any], reason: str
) -> None:
    assert refusal(opened, YOLOV8, **said).startswith(reason)


def test_shapes_that_fit_several_families_are_refused(opened: network.Network) -> None:
    assert refusal(opened, [(None, 300, 6)]) == (
        "output shapes (?, 300, 6) fit yolo26 and rtdetr, both for object-detection; "
        "name the family in model.toml"
    )
    assert "vit and resnet, all for classification; " in refusal(opened, [(1, 1000)])


def test_families_that_fit_another_number_of_labels_are_told(opened: network.Network) -> None:
    assert refusal(opened, [(1, 8)], labels=("a", "b")) == (
        "output shapes (1, 8) fit yolov8, yolov5, vit and resnet (classification) "
        "with 8 classes, but 2 labels are given"
    )


def test_synonyms_are_among_the_names_and_any_case_will_do(opened: network.Network) -> None:
    known = refusal(opened, YOLOV8, family="frcnn")
    assert all(name in known for name in ("yolov7", "yolov9", "yolo11", "yolo26", "resnet"))
    assert head(opened, YOLOV8, family="YOLO11").family.name == "yolov8"


def test_labels_tell_apart_what_shapes_do_not(opened: network.Network) -> None:
    assert head(opened, [(None, 300, 6)], labels=LABELS).family.name == "yolo26"


@pytest.mark.parametrize(
    ("architecture", "shape", "family"),
    [
        ("yolov10n", (None, 12, 8400), "yolov8"),
        ("yolov10n", (None, 300, 6), "yolo26"),
        ("yolo26s", (None, 12, 8400), "yolov8"),
        ("yolo26s", (None, 300, 6), "yolo26"),
        ("yolov8n", (None, 12, 8400), "yolov8"),
        ("rtdetr", (None, 300, 12), "rtdetr"),
        ("rtdetr", (None, 300, 6), "rtdetr-decoded"),
        ("yolov5s", (None, 25200, 13), "yolov5"),
    ],
)
def test_one_architecture_is_exported_in_several_ways(
    opened: network.Network, architecture: str, shape: base.Shape, family: str
) -> None:
    found = head(opened, [shape], architecture=architecture, labels=LABELS)
    assert (found.family.name, found.notes) == (family, ())


@pytest.mark.parametrize(
    ("architecture", "shape", "family"),
    [
        # What Ultralytics exports of its later YOLOv5, and of a model with suppression behind it.
        ("yolov5nu", (None, 12, 8400), "yolov8"),
        ("yolov8n", (None, 300, 6), "yolo26"),
    ],
)
def test_an_architecture_that_does_not_fit_is_only_a_hint(
    opened: network.Network, architecture: str, shape: base.Shape, family: str
) -> None:
    found = head(opened, [shape], architecture=architecture, labels=LABELS)
    assert found.family.name == family
    assert found.notes[0].startswith(f"family {family} inferred from the output shapes (?, ")


@pytest.mark.parametrize(
    ("decoded", "family"), [(None, "yolox"), (False, "yolox"), (True, "yolox-decoded")]
)
@pytest.mark.parametrize("named", ["family", "architecture"])
def test_the_package_says_which_variant_it_is(
    opened: network.Network, named: str, decoded: bool | None, family: str
) -> None:
    found = head(opened, [(1, 8400, 13)], decoded=decoded, **{named: "yolox"})
    assert found.family.name == family


@pytest.mark.parametrize(
    ("decoded", "family"), [(None, "rtdetr"), (False, "rtdetr"), (True, "rtdetr-decoded")]
)
def test_two_classes_do_not_tell_whether_queries_are_ranked(
    opened: network.Network, decoded: bool | None, family: str
) -> None:
    said = {"architecture": "rtdetr", "labels": ("a", "b"), "decoded": decoded}
    assert head(opened, [(1, 300, 6)], **said).family.name == family


def test_keypoints_imply_their_task(opened: network.Network) -> None:
    found = head(opened, [(1, 27, 8400)], keypoint_shape=(5, 3))
    assert (found.family.task, found.layout.classes) == (tasks.KEYPOINT_DETECTION, 8)
    names = description.KeypointsDescription(names=("l", "m", "r"))
    found = head(opened, [(1, 300, 15)], architecture="yolo26n", keypoints=(names,))
    assert (found.family.task, found.layout.keypoints) == (tasks.KEYPOINT_DETECTION, 3)


def test_too_few_labels_do_not_make_keypoints_of_a_named_family(opened: network.Network) -> None:
    said = {"family": "yolov8", "labels": ("a", "b")}
    assert "not those of the family yolov8 with 2 classes" in refusal(opened, YOLOV8, **said)


def test_too_many_columns_are_no_keypoints_unless_the_package_has_some(
    opened: network.Network,
) -> None:
    assert "but 5 labels are given" in refusal(opened, YOLOV8, labels=LABELS[:5])


@pytest.mark.parametrize(
    ("said", "activation"),
    [
        ({}, "softmax"),
        ({"activation": "none"}, "none"),
        ({"multi_label": True}, "sigmoid"),
        ({"multi_label": True, "activation": "none"}, "none"),
    ],
)
def test_what_is_still_to_be_applied_to_class_scores(
    opened: network.Network, said: dict[str, Any], activation: str
) -> None:
    assert head(opened, [(1, 8)], family="resnet", **said).layout.activation == activation


class TestUnknownShapes:
    """Shapes of outputs that are known only when the network runs."""

    SHAPES: Sequence[base.Shape] = ((None, None, 8400),)

    def test_family_and_labels_suffice(self, opened: network.Network) -> None:
        found = head(opened, self.SHAPES, family="yolov8", labels=LABELS)
        assert (found.family.name, found.certain, found.layout.classes) == ("yolov8", False, 8)
        assert found.notes == ("the number of classes could not be checked against the head",)

    @pytest.mark.parametrize("shapes", [SHAPES, [()], [(1, 12, 8400), (1, None, 4, 4)]])
    def test_without_a_family(self, opened: network.Network, shapes: Sequence[base.Shape]) -> None:
        assert refusal(opened, shapes, labels=LABELS) == (
            "its output shapes are not known; name the family in model.toml"
        )

    def test_without_labels(self, opened: network.Network) -> None:
        assert "tell its number of classes" in refusal(opened, self.SHAPES, family="yolov8")

    def test_masks_need_more(self, opened: network.Network) -> None:
        said = {"task": tasks.INSTANCE_SEGMENTATION, "family": "yolov8", "labels": LABELS}
        assert "which instance-segmentation needs" in refusal(opened, self.SHAPES, **said)


@pytest.mark.parametrize("name", onnx_heads.HEADS)
def test_every_head_is_found_by_the_name_of_its_family(opened: network.Network, name: str) -> None:
    made = onnx_heads.HEADS[name]
    family = made.family.removesuffix("-decoded")
    described = description.Description(
        family=family,
        task=made.task,
        decoded=made.family != family,
        labels=LABELS[: made.classes],
        keypoint_shape=(made.known.keypoints, made.known.keypoint_values)  # type: ignore[arg-type]
        if made.known.keypoints
        else None,
    )
    found = recognition.head(described, opened, made.shapes, (onnx_heads.SIDE, onnx_heads.SIDE))
    assert found.family.name == made.family
    assert found.layout.classes == made.classes
