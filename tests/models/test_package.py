"""A package as a whole: its id, which of its files is believed, what identifies its content."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parallax.contract import errors
from parallax.models import description, package
from tests.support import onnx_models, packages


def read(folder: Path, **recipe: Any) -> package.Package:
    """Read a package made of the files in a folder and a model."""
    path = folder / "weights.onnx"
    if not path.exists():
        onnx_models.make(path, onnx_models.Recipe(**recipe))
    return package.read(package.Found("m", path))


@pytest.mark.parametrize("model_id", ["a", "shop/3", "yolov8n-640", "a.b_c~1+2@x", "größe"])
def test_good_ids(model_id: str) -> None:
    package.check_id(model_id)


@pytest.mark.parametrize(
    "model_id", ["", "/", "a/", "/a", ".", "..", "a/..", "a/b/c", "a b", "a\n"]
)
def test_bad_ids(model_id: str) -> None:
    with pytest.raises(errors.BadModelIdError):
        package.check_id(model_id)


def test_beside_a_bare_file_its_own_name_comes_first(tmp_path: Path) -> None:
    packages.write(tmp_path / "model.toml", 'family = "yolov8"')
    assert read(tmp_path).description.family == "yolov8"
    packages.write(tmp_path / "weights.toml", 'family = "yolox"')
    assert read(tmp_path).description.family == "yolox"


def test_a_person_is_believed_before_roboflows_files_and_those_before_metadata(
    tmp_path: Path,
) -> None:
    packages.write(tmp_path / "model.toml", "labels = ['x', 'y', 'z']")
    packages.write(tmp_path / "class_names.txt", "a\nb\nc")
    packages.write(tmp_path / "model_type.json", {"project_task_type": "object-detection"})
    metadata = {"names": "['k', 'l', 'm']", "task": "segment", "imgsz": "64"}
    found = read(tmp_path, metadata=metadata).description
    assert found.labels == ("x", "y", "z")
    assert (found.task, found.input.width) == ("object-detection", 64)


def test_the_graph_knows_its_size_better_than_roboflows_files(tmp_path: Path) -> None:
    packages.write(tmp_path / "environment.json", {"RESOLUTION": [64, 640]})
    found = read(tmp_path)
    assert (found.description.input.width, found.description.input.height) == (None, 64)
    assert found.notes == ("the graph's width of 64 is used, not 640 as its files say",)


def test_roboflows_files_say_the_size_where_the_graph_leaves_it_open(tmp_path: Path) -> None:
    packages.write(tmp_path / "environment.json", {"RESOLUTION": [64, 640]})
    found = read(tmp_path, symbolic=True)
    assert found.description.input == description.InputDescription(width=640, height=64)
    assert found.notes == ()


def test_the_same_content_anywhere(tmp_path: Path) -> None:
    digests = set()
    for place in ("a", "b"):
        folder = tmp_path / place
        onnx_models.make(folder / "weights.onnx")
        packages.write(folder / "model.toml", "labels = ['a', 'b', 'c']")
        digests.add(read(folder).digest)
    assert len(digests) == 1


@pytest.mark.parametrize("change", ["model.toml", "weights.onnx", "weights.data", "names.txt"])
def test_any_file_changes_it(tmp_path: Path, change: str) -> None:
    onnx_models.make(tmp_path / "weights.onnx", external="weights.data")
    packages.write(tmp_path / "names.txt", "a\nb\nc\n")
    packages.write(tmp_path / "model.toml", "labels = 'names.txt'\n")
    before = read(tmp_path).digest
    target = tmp_path / change
    if change == "weights.onnx":
        recipe = onnx_models.Recipe(metadata={"author": "me"}, dtype=np.float32)
        onnx_models.make(target, recipe, external="weights.data")
    else:
        target.write_bytes(target.read_bytes() + b"\n")
    assert read(tmp_path).digest != before


def test_a_description_that_is_a_link_out_of_the_package_is_not_read(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m" / "weights.onnx")
    secret = packages.write(tmp_path / "secret", "task = 'secret'")
    (path.parent / "model.toml").symlink_to(secret)
    cause = packages.refusal(lambda: package.read(package.Found("m", path)))
    assert "names 'model.toml', which lies outside" in cause
    assert "secret" not in cause.replace(str(tmp_path), "")
