"""All files of a folder together; whatever is in them, they are read or refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.models import description
from parallax.models.roboflow import reading
from tests.support import packages


def read(folder: Path, files: dict[str, object]) -> description.Said:
    for name, content in files.items():
        packages.write(folder / name, content)
    return reading.read(folder)


def test_a_folder_without_any(tmp_path: Path) -> None:
    assert read(tmp_path, {}) == description.Said()


def test_the_older_layout(tmp_path: Path) -> None:
    kind = {"project_task_type": "keypoint-detection", "model_type": "yolov8n-pose"}
    said = read(
        tmp_path,
        {
            "class_names.txt": "cat\ndog\n",
            "environment.json": {"RESOLUTION": 64},
            "keypoints_metadata.json": [{"object_class_id": 0, "keypoints": {"0": "nose"}}],
            "model_type.json": kind,
        },
    )
    assert said.description == description.Description(
        task="keypoint-detection",
        architecture="yolov8n-pose",
        labels=("cat", "dog"),
        keypoints=(description.KeypointsDescription(names=("nose",)),),
        input=description.InputDescription(width=64, height=64),
    )
    assert {path.name for path in said.taken} <= set(reading.FILES)
    assert len(said.taken) == 4


def test_the_newer_layout_knows_the_architecture_where_it_resizes(tmp_path: Path) -> None:
    said = read(
        tmp_path,
        {
            "model_config.json": {"model_architecture": "yolov8", "task_type": "object-detection"},
            "inference_config.json": {
                "network_input": {
                    "resize_mode": "fit-longer-edge",
                    "dynamic_spatial_size_supported": True,
                }
            },
        },
    )
    assert (said.description.input.resize, said.description.input.padding) == ("letterbox", 127)
    assert said.notes == ("dynamic_spatial_size is ignored: all pictures are brought to one size",)


@pytest.mark.parametrize(("fused", "family"), [(True, "yolo26"), (False, None)])
def test_suppression_in_the_graph_makes_another_family(
    tmp_path: Path, fused: bool, family: str | None
) -> None:
    said = read(
        tmp_path,
        {
            "model_config.json": {"model_architecture": "yolov8", "task_type": "object-detection"},
            "inference_config.json": {"post_processing": {"type": "nms", "fused": fused}},
        },
    )
    assert said.description.family == family


@pytest.mark.parametrize(
    ("task", "labels"), [("classification", ("x", "y")), ("object-detection", ("a", "b"))]
)
def test_only_classifiers_have_their_labels_from_the_class_map(
    tmp_path: Path, task: str, labels: tuple[str, ...]
) -> None:
    said = read(
        tmp_path,
        {
            "model_type.json": {"project_task_type": task},
            "class_names.txt": "a\nb\n",
            "environment.json": {"CLASS_MAP": {"0": "x", "1": "y"}},
        },
    )
    assert said.description.labels == labels


STEPS = (
    "0 1 enabled format type width height x_min resize static-crop contrast auto-orient confidence "
    "class_name fused names from to"
)
ENTRIES = (
    "PREPROCESSING CLASS_MAP COLORS MULTICLASS RESOLUTION model_type model_id project_task_type "
    "model_architecture task_type backend_type network_input recommended_parameters "
    "image_pre_processing forward_pass post_processing class_names_operations object_class_id "
    "keypoints edges"
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.sampled_from(["onnx", "nms", "sigmoid", "letterbox", "true", "0", "1e9", "٣", "9" * 9999])
)
JSON = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(STEPS.split()), inner, max_size=4)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(ENTRIES.split()), JSON | JSON.map(json.dumps), max_size=4)


@given(
    name=st.sampled_from([name for name in reading.FILES if name.endswith(".json")]),
    content=OBJECTS | st.lists(OBJECTS, max_size=2) | JSON,
)
def test_whatever_is_written_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: object
) -> None:
    folder = tmp_path_factory.mktemp("m")
    (folder / name).write_text(json.dumps(content))
    said = packages.outcome(lambda: reading.read(folder))
    assert isinstance(said, description.Said) or str(said).startswith(f"{folder / name}: ")


@pytest.mark.parametrize("name", reading.FILES)
def test_a_file_that_is_a_link_out_of_the_package_is_not_read(tmp_path: Path, name: str) -> None:
    secret = packages.write(tmp_path / "secret", "root\ntoor")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / name).symlink_to(secret)
    cause = packages.refusal(lambda: reading.read(tmp_path / "package"))
    assert f"names '{name}', which lies outside of the package's folder" in cause
    assert "toor" not in cause


def test_a_file_that_is_a_link_into_the_shared_blobs_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "models-cache" / f"v2-a-{packages.HASH}" / "package"
    packages.write(tmp_path / "shared-blobs" / "0123", "cat\ndog")
    folder.mkdir(parents=True)
    (folder / "class_names.txt").symlink_to(tmp_path / "shared-blobs" / "0123")
    assert reading.read(folder).description.labels == ("cat", "dog")
