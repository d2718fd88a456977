"""Where models are looked for, and under which ids they are found."""

import os
from pathlib import Path

import pytest

from parallax.models import discovery, package
from tests.support import onnx_models, packages

HASHED = f"~my-model-{packages.HASH}"
CACHED = f"models-cache/v2-shop-4-{packages.HASH}"


def make(root: Path, *places: str) -> None:
    for place in places:
        onnx_models.make(root / place)


def found(directory: Path, root: Path | None = None) -> dict[str, str]:
    """Map ids to paths below the root, and misfits' paths to reasons."""
    rows = {}
    for entry in discovery.find(directory):
        place = str(entry.path.relative_to(root or directory))
        if isinstance(entry, package.Found):
            rows[entry.id] = place
        else:
            rows[place] = entry.reason
    return rows


def test_layouts(tmp_path: Path) -> None:
    make(tmp_path, "a.onnx", "b/b.onnx", "shop/3/weights.onnx", "shop/4/best.onnx", "c/c.onnx")
    assert found(tmp_path) == {
        "a": "a.onnx",
        "b": "b/b.onnx",
        "c": "c/c.onnx",
        "shop/3": "shop/3/weights.onnx",
        "shop/4": "shop/4/best.onnx",
    }


def test_a_file_is_that_one_model(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "a.onnx")
    assert list(discovery.find(path)) == [package.Found("a", path)]


def test_a_version_knows_its_project_when_it_is_asked_for_itself(tmp_path: Path) -> None:
    make(tmp_path, "shop/3/weights.onnx")
    assert found(tmp_path / "shop" / "3", tmp_path) == {"shop/3": "shop/3/weights.onnx"}


def test_a_number_may_name_a_folder_of_models(tmp_path: Path) -> None:
    make(tmp_path, "2024/a.onnx", "2024/b.onnx")
    assert set(found(tmp_path / "2024")) == {"a", "b"}


def test_hidden_and_reserved_names_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, ".git/x.onnx", "_file_locks/x.onnx", "a/1/2/deep.onnx", "._a.onnx")
    make(tmp_path, "shared-blobs/0123/x.onnx", "workflow/x.onnx", "models-cache/x.onnx")
    assert found(tmp_path) == {}


def test_other_files_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "folder.onnx").mkdir()
    assert found(tmp_path) == {}


def test_several_models_in_one_folder(tmp_path: Path) -> None:
    make(tmp_path, "m/a.onnx", "m/b.onnx")
    assert found(tmp_path) == {"m": "holds several ONNX files (a.onnx, b.onnx); keep one"}


def test_a_description_without_a_model(tmp_path: Path) -> None:
    packages.write(tmp_path / "m" / "environment.json", {})
    assert found(tmp_path) == {"m": "describes a model but holds no .onnx file"}


def test_a_name_no_id_can_have(tmp_path: Path) -> None:
    make(tmp_path, "a b.onnx")
    assert "has a segment 'a b'" in found(tmp_path)["a b.onnx"]


def test_a_missing_folder(tmp_path: Path) -> None:
    (entry,) = discovery.find(tmp_path / "nothing")
    assert entry == package.Misfit(tmp_path / "nothing", "no such folder")


class TestHashedFolders:
    """Folders of the older layout whose names do not spell the id."""

    def test_the_id_is_in_the_files(self, tmp_path: Path) -> None:
        make(tmp_path, f"{HASHED}/weights.onnx")
        packages.write(tmp_path / HASHED / "model_type.json", {"model_id": "Shop/My-Model"})
        assert found(tmp_path) == {"Shop/My-Model": f"{HASHED}/weights.onnx"}
        assert set(found(tmp_path / HASHED)) == {"Shop/My-Model"}

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ({}, "neither its folder's name nor a model_id beside it is its id"),
            ({"model_id": 3}, "neither its folder's name nor a model_id"),
            ({"model_id": "../x"}, "the model id '../x' has a segment '..'"),
            ("{", "no valid JSON object"),
        ],
    )
    def test_an_id_that_is_none(self, tmp_path: Path, content: object, reason: str) -> None:
        make(tmp_path, f"{HASHED}/weights.onnx")
        packages.write(tmp_path / HASHED / "model_type.json", content)
        assert reason in found(tmp_path)[f"{HASHED}/weights.onnx"]


class TestCache:
    """The newer layout."""

    @staticmethod
    def make(root: Path, name: str, backend: str = "onnx", weights: str = "weights.onnx") -> Path:
        folder = root / CACHED / name
        config = {"model_id": "shop/4", "backend_type": backend}
        packages.write(folder / "model_config.json", config)
        if weights.endswith(".onnx"):
            onnx_models.make(folder / weights)
        else:
            (folder / weights).touch()
        return folder

    def test_a_package(self, tmp_path: Path) -> None:
        folder = self.make(tmp_path, "0a1b")
        assert found(tmp_path) == {"shop/4": f"{CACHED}/0a1b/weights.onnx"}
        for place in (folder, folder.parent, folder.parent.parent):
            assert set(found(place)) == {"shop/4"}

    def test_weights_may_be_a_link_to_a_blob(self, tmp_path: Path) -> None:
        folder = self.make(tmp_path, "0a1b")
        blob = tmp_path / "shared-blobs" / "0123"
        blob.parent.mkdir()
        (folder / "weights.onnx").rename(blob)
        os.symlink("../../../shared-blobs/0123", folder / "weights.onnx")
        assert set(found(tmp_path)) == {"shop/4"}

    def test_of_several_packages_the_one_for_onnx_is_taken(self, tmp_path: Path) -> None:
        self.make(tmp_path, "0a", "trt", "engine.plan")
        self.make(tmp_path, "0b")
        self.make(tmp_path, "0c", "torch", "weights.pt")
        self.make(tmp_path, "0d", "trt")
        assert found(tmp_path) == {"shop/4": f"{CACHED}/0b/weights.onnx"}

    def test_a_model_without_a_package_for_onnx(self, tmp_path: Path) -> None:
        self.make(tmp_path, "0a", "trt", "engine.plan")
        reason = "a package for the back end 'trt' is not served, only onnx"
        assert found(tmp_path) == {f"{CACHED}/0a": reason}

    def test_only_its_own_packages_may_link_into_the_blobs(self, tmp_path: Path) -> None:
        make(tmp_path, "shop/3/weights.onnx")
        blob = packages.write(tmp_path / "shared-blobs" / "0123", "a\nb\nc")
        own = self.make(tmp_path, "0a1b")
        other = tmp_path / "shop" / "3"
        for folder in (own, other):
            path = onnx_models.make(folder / "weights.onnx", external="weights.data")
            (folder / "weights.data").replace(blob)
            os.symlink(blob, folder / "weights.data")
            assert path.exists()
        package.read(package.Found("shop/4", own / "weights.onnx"))
        reason = packages.refusal(
            lambda: package.read(package.Found("shop/3", other / "weights.onnx"))
        )
        assert "lies outside of the package's folder" in reason
