"""Names of families, other tools' names, and shapes lead to the families they should."""

from typing import Any

import pytest

from parallax.contract import spec, tasks
from parallax.models.families import base, registry
from tests.support import onnx_heads, run_heads

SIZE = (640, 640)
PROTOTYPES: base.Shape = (1, 32, 160, 160)
DETECTION, SEGMENTATION = tasks.OBJECT_DETECTION, tasks.INSTANCE_SEGMENTATION
POSE, CLASSIFICATION = tasks.KEYPOINT_DETECTION, tasks.CLASSIFICATION
SEMANTIC = tasks.SEMANTIC_SEGMENTATION


def both(families: list[base.Family]) -> list[tuple[str, str]]:
    return [(family.name, family.task) for family in families]


def test_no_name_and_task_twice() -> None:
    every = both(list(registry.FAMILIES))
    assert len(set(every)) == len(every)
    assert {task for _, task in every} == set(tasks.ALL)


def test_synonyms_lead_to_families() -> None:
    assert set(registry.SYNONYMS.values()) <= set(registry.names())
    assert not set(registry.SYNONYMS) & set(registry.names())


def test_decoded_variants_have_no_name_of_their_own() -> None:
    assert "yolox" in registry.names()
    assert "yolox-decoded" not in registry.names()
    assert len(set(registry.names())) == len(registry.names())


@pytest.mark.parametrize("name", onnx_heads.HEADS)
def test_the_family_of_a_served_model(name: str) -> None:
    head = onnx_heads.HEADS[name]
    assert registry.of(run_heads.served(head, fused=True)) is run_heads.family_of(head)


@pytest.mark.parametrize(
    ("outputs", "known", "families"),
    [
        ([(1, 84, 8400)], {}, [("yolov8", DETECTION)]),
        ([(None, 5, 8400)], {}, [("yolov8", DETECTION)]),
        ([(1, 44, 8400), PROTOTYPES], {}, [("yolov8", SEGMENTATION)]),
        ([(1, 56, 8400)], {"classes": 1}, []),
        ([(1, 56, 8400)], {"classes": 1, "keypoints": 17}, [("yolov8", POSE)]),
        ([(1, 25200, 85)], {}, [("yolov5", DETECTION)]),
        ([(1, 25200, 117), PROTOTYPES], {}, [("yolov5", SEGMENTATION)]),
        ([(1, 8400, 85)], {}, [("yolox", DETECTION)]),
        ([(None, 8400, 6)], {}, [("yolox", DETECTION)]),
        ([(1, 8400, 4), (1, 8400, 80)], {}, [("yolo-nas", DETECTION)]),
        ([(1, 300, 84)], {}, [("rtdetr", DETECTION)]),
        ([(1, 300, 84)], {"classes": 80}, [("rtdetr", DETECTION)]),
        ([(1, 300, 6)], {"classes": 80}, [("yolo26", DETECTION)]),
        ([(1, 300, 6)], {"classes": 2}, [("yolo26", DETECTION), ("rtdetr", DETECTION)]),
        ([(1, 300, 38), PROTOTYPES], {}, [("yolo26", SEGMENTATION)]),
        ([(1, 300, 21)], {"classes": 8, "keypoints": 5}, [("yolo26", POSE)]),
        ([(1, 84, 34000)], {}, [("yolov8", DETECTION)]),
        ([(1, 300, 4), (1, 300, 91)], {}, [("rf-detr", DETECTION)]),
        ([(1, 200, 4), (1, 200, 91), (1, 200, 108, 108)], {}, [("rf-detr", SEGMENTATION)]),
        ([(1, 21, 512, 512)], {}, [("deeplab", SEMANTIC)]),
    ],
)
def test_shapes(
    outputs: list[base.Shape], known: dict[str, Any], families: list[tuple[str, str]]
) -> None:
    assert both(registry.recognise(outputs, SIZE, spec.Layout(**known), None)) == families


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [()],
        [(1, 25200, 4)],
        [(1, None, 8400)],
        [(1, 8400, None)],
        [(1, 4, 8400)],
        [PROTOTYPES, (1, 44, 8400)],
        [(1, 100, 7), (1, 100)],
    ],
)
def test_shapes_of_no_family(outputs: list[base.Shape]) -> None:
    assert registry.recognise(outputs, SIZE, spec.Layout(), None) == []


def test_the_task_narrows_what_shapes_may_be() -> None:
    found = registry.recognise([(1, 300, 84)], SIZE, spec.Layout(), POSE)
    assert both(found) == [("yolo26", POSE)]


def test_classifiers_cannot_be_told_apart_by_shape() -> None:
    found = registry.recognise([(1, 1000)], (224, 224), spec.Layout(), None)
    assert {task for _, task in both(found)} == {CLASSIFICATION}
    assert len(found) > 1


@pytest.mark.parametrize(
    ("name", "task", "decoded", "families"),
    [
        ("yolov8", DETECTION, None, ["yolov8"]),
        ("yolo11", SEGMENTATION, None, ["yolov8"]),
        ("yolov7", SEGMENTATION, None, ["yolov5"]),
        ("yolov10", DETECTION, None, ["yolo26"]),
        ("rfdetr", SEGMENTATION, None, ["rf-detr"]),
        ("yolox", DETECTION, None, ["yolox", "yolox-decoded"]),
        ("yolox", DETECTION, True, ["yolox-decoded"]),
        ("yolox", DETECTION, False, ["yolox"]),
        ("rtdetr", None, True, ["rtdetr-decoded"]),
        ("yolov8", DETECTION, True, ["yolov8"]),
        ("yolox", POSE, None, []),
        ("yolox-decoded", None, None, []),
        ("frcnn", None, None, []),
    ],
)
def test_names(name: str, task: str | None, decoded: bool | None, families: list[str]) -> None:
    found = registry.named(name, task, decoded=decoded)
    assert [family.name for family in found] == families


@pytest.mark.parametrize(
    ("architecture", "task", "families"),
    [
        ("yolov8n", DETECTION, ["yolov8"]),
        ("YOLO11x", DETECTION, ["yolov8"]),
        ("yolov12s-seg", SEGMENTATION, ["yolov8"]),
        ("yolov10n", DETECTION, ["yolov8", "yolo26"]),
        ("yolo26n-pose", POSE, ["yolov8", "yolo26"]),
        ("yolov5s", DETECTION, ["yolov5"]),
        ("yolov5s-cls", CLASSIFICATION, ["yolov5"]),
        ("yolov7-seg", SEGMENTATION, ["yolov5"]),
        ("yolo_nas_s", DETECTION, ["yolo-nas"]),
        ("rtdetr-l", DETECTION, ["rtdetr", "rtdetr-decoded"]),
        ("rfdetr-seg-preview", SEGMENTATION, ["rf-detr"]),
        ("deep-lab-v3-plus", SEMANTIC, ["deeplab"]),
        ("resnet18", CLASSIFICATION, ["resnet"]),
        ("vit", CLASSIFICATION, ["vit"]),
        ("yolox-nano", DETECTION, ["yolox", "yolox-decoded"]),
        ("yolact", SEGMENTATION, []),
    ],
)
def test_architectures(architecture: str, task: str, families: list[str]) -> None:
    found = registry.by_architecture(architecture, task)
    assert [family.name for family in found] == families
    assert {family.task for family in registry.by_architecture(architecture, None)} >= {
        family.task for family in found
    }


def test_an_architecture_whose_export_decodes() -> None:
    found = registry.by_architecture("rtdetr-l", DETECTION, decoded=True)
    assert [family.name for family in found] == ["rtdetr-decoded"]
