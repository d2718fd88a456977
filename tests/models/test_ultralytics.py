"""Metadata inside the file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.models import description, ultralytics
from tests.support import packages

PATH = Path("m.onnx")
NAMES = {"names": "{0: 'cat', 1: 'dog', 2: 'bird'}"}


def read(**metadata: str) -> description.Description:
    return ultralytics.read(metadata, PATH)


def test_a_file_without_any() -> None:
    assert read(author="me") == description.Description()


def test_names_task_and_size() -> None:
    assert read(**NAMES, task="detect", imgsz="[96, 64]", stride="32", channels="3", batch="1") == (
        description.Description(
            task="object-detection",
            labels=("cat", "dog", "bird"),
            input=description.InputDescription(width=64, height=96),
        )
    )


def test_a_list_of_names_and_one_side() -> None:
    found = read(names="['a', 'b', 'c']", imgsz="64")
    assert found.labels == ("a", "b", "c")
    assert (found.input.width, found.input.height) == (64, 64)


def test_a_pose_model() -> None:
    found = read(task="pose", kpt_shape="[2, 3]", kpt_names="{0: ['nose', 'tail']}")
    assert found.task == "keypoint-detection"
    assert found.keypoint_shape == (2, 3)
    assert found.keypoints == (description.KeypointsDescription(names=("nose", "tail")),)


@pytest.mark.parametrize(("size", "resize"), [("[64, 64]", "fill"), ("[64, 96]", "stretch")])
def test_a_classifier_has_probabilities_and_sees_the_middle(size: str, resize: str) -> None:
    found = read(task="classify", imgsz=size)
    assert (found.task, found.architecture) == ("classification", "yolov8")
    assert (found.activation, found.input.resize) == ("none", resize)
    assert (found.input.scale, found.input.mean) == (255.0, (0.0, 0.0, 0.0))


def test_semantic_segmentation_is_letterboxed() -> None:
    found = read(task="semantic", imgsz="[64, 64]")
    assert (found.task, found.input.resize) == ("semantic-segmentation", "letterbox")
    assert found.input.std == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("metadata", "suppress"),
    [
        ({"end2end": "True"}, False),
        ({"end2end": "False"}, None),
        ({"args": "{'nms': True, 'batch': 1}"}, False),
        ({"args": "{'nms': False}"}, None),
        ({"args": "{'nms': None}"}, None),
        ({"args": "{'data': PosixPath('x.yaml')}"}, None),
        ({}, None),
    ],
)
def test_rows_that_need_no_suppression(metadata: dict[str, str], suppress: bool | None) -> None:
    assert read(**metadata).suppress is suppress


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"task": "detect"}, None),
        ({"task": "detect", "end2end": "True"}, "yolo26"),
        ({"task": "segment", "args": "{'nms': True}"}, "yolo26"),
        ({"task": "classify", "end2end": "True"}, None),
    ],
)
def test_rows_that_are_final_are_a_family_of_their_own(
    metadata: dict[str, str], family: str | None
) -> None:
    assert read(**metadata).family == family


def test_the_head_of_rt_detr_is_a_hint_at_the_family() -> None:
    found = read(task="detect", head="RTDETRDecoder")
    assert (found.architecture, found.decoded) == ("rtdetr", True)
    assert read(task="detect", head="Detect").architecture is None


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"task": "obb"}, "the task 'obb' is not served: oriented boxes"),
        ({"task": "depth"}, "the task 'depth' is not served"),
        ({"channels": "1"}, "a network of 1 channels is not served, only 3"),
        ({"names": "__import__('os').system('true')"}, "'names' is not a literal"),
        ({"names": "(" * 5000}, "'names' is not a literal"),
        ({"names": "[" + "'a'," * 100_000 + "]"}, "'names' is longer than"),
        ({"names": "{0: 'a', 2: 'b'}"}, "not a table of class names, numbered 0, 1, 2"),
        ({"names": "{0: 1}"}, "not a table of class names"),
        ({"names": "7"}, "not a table of class names"),
        ({"names": "['\\ud800']"}, "its metadata makes no sense"),
        ({"imgsz": "[640, 640, 3]"}, "'imgsz' is no size: [640, 640, 3]"),
        ({"imgsz": "-1"}, "'imgsz' is no size"),
        ({"kpt_shape": "[17, 4]"}, "its metadata makes no sense: Invalid enum value 4"),
        ({"kpt_shape": "17"}, "its metadata makes no sense"),
        ({"kpt_names": "{1: ['a']}"}, "'kpt_names' is not a table by class"),
        ({"kpt_names": "{0: 3}"}, "its metadata makes no sense"),
    ],
)
def test_what_is_refused(metadata: dict[str, str], reason: str) -> None:
    message = packages.refusal(lambda: ultralytics.read(metadata, PATH))
    assert message.startswith("m.onnx: ")
    assert reason in message


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 2), inner),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["task", "names", "imgsz", "kpt_shape", "kpt_names", "args", "end2end", "channels", "head"]
)


@given(st.dictionaries(KEYS, LITERALS.map(repr) | st.text(max_size=8)))
def test_whatever_is_written_is_read_or_refused(metadata: dict[str, str]) -> None:
    found = packages.outcome(lambda: ultralytics.read(metadata, PATH))
    assert isinstance(found, description.Description) or str(found).startswith("m.onnx: ")
