"""``parallax models`` shows a catalogue; what a catalogue is made of is tested with the models."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from parallax.contract import errors, spec
from parallax.models import catalog as catalogs
from tests.cli.conftest import Run
from tests.support import onnx_models


def model(source: Path | str, **changes: Any) -> spec.ModelSpec:
    facts: dict[str, Any] = {
        "id": "cats",
        "version": "v1",
        "task": "object-detection",
        "family": "yolo",
        "labels": ("cat", "dog", "owl", "emu"),
        "input": spec.InputSpec(640, 480),
        "batch": spec.BatchSpec(max_size=8),
        "graph": "g.onnx",
        "fused": True,
        "input_name": "x",
        "output_names": ("y",),
        "source": str(source),
    }
    return spec.ModelSpec(**{**facts, **changes})


class Catalog:
    """Stands in for what ``prepare`` returns, and remembers what it was asked."""

    def __init__(self) -> None:
        self.specs: tuple[spec.ModelSpec, ...] = ()
        self.refused: tuple[tuple[Path, str], ...] = ()
        self.notes: tuple[str, ...] = ()
        self.asked: tuple[object, ...] = ()

    def prepare(
        self, directories: Sequence[Path], cache: Path, size: int, delay: float
    ) -> "Catalog":
        self.asked = (list(directories), cache, size, delay)
        return self


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> Catalog:
    made = Catalog()
    monkeypatch.setattr(catalogs, "prepare", made.prepare)
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "zoo"
    path.mkdir()
    (path / "cats.onnx").touch()
    return path


def test_ls_asks_with_the_settings(run: Run, catalog: Catalog, directory: Path) -> None:
    run("models", "ls", "--models", directory, "--cache-dir", "c", "--max-batch", 4)
    assert catalog.asked == ([directory], Path("c"), 4, 0.0)


def test_ls_prints_a_table(run: Run, catalog: Catalog, directory: Path) -> None:
    catalog.specs = (model(directory / "cats.onnx"),)
    catalog.notes = ("cats: family read from the shapes",)
    result = run("models", "ls", "--models", directory)
    assert result.exit_code == 0
    for text in (
        "cats",
        "yolo",
        "640x480",
        "up to 8",
        "4: cat, dog, owl, ...",
        "default 0.4",
        "read from the shapes",
    ):
        assert text in " ".join(result.stdout.split())


def test_ls_json(run: Run, catalog: Catalog, directory: Path) -> None:
    catalog.specs = (model(directory / "cats.onnx"),)
    (row,) = json.loads(run("models", "ls", "--models", directory, "--json").stdout)
    assert (row["id"], row["input"]["width"]) == ("cats", 640)


def test_ls_names_what_is_refused_and_goes_on(run: Run, catalog: Catalog, directory: Path) -> None:
    catalog.refused = ((directory / "bad.onnx", "no outputs"),)
    result = run("models", "ls", "--models", directory)
    assert result.exit_code == 1
    assert result.stderr == f"parallax: {directory}/bad.onnx: no outputs\n"


@pytest.mark.parametrize("pick", [lambda path: path, lambda path: path / "cats.onnx"])
def test_check_says_everything_of_a_model(
    run: Run, catalog: Catalog, directory: Path, pick: Callable[[Path], Path]
) -> None:
    catalog.specs = (model(directory / "cats.onnx"),)
    result = run("models", "check", pick(directory))
    assert result.exit_code == 0
    assert catalog.asked[0] == [directory]
    for text in ("object-detection", "yolo", "cat, dog, owl, emu", "640x480", "up to 8", "yes"):
        assert text in result.stdout


def test_check_of_a_file_leaves_its_neighbours_out(
    run: Run, catalog: Catalog, directory: Path
) -> None:
    catalog.specs = (model(directory / "cats.onnx"), model(directory / "dogs.onnx", id="dogs"))
    catalog.refused = ((directory / "bad.onnx", "no outputs"),)
    catalog.notes = ("cats: a remark", "dogs: another remark")
    result = run("models", "check", directory / "cats.onnx")
    assert result.exit_code == 0
    assert "a remark" in result.stdout
    assert "dogs" not in result.stdout


def test_check_of_several_is_one_block_for_each(
    run: Run, catalog: Catalog, directory: Path
) -> None:
    many = spec.Thresholds(best_by_class=(0.1, 0.2, 0.3, 0.4))
    catalog.specs = (
        model(directory / "cats.onnx"),
        model(directory / "dogs.onnx", id="dogs", thresholds=many),
    )

    lines = run("models", "check", directory).stdout.splitlines()

    assert lines.count("") == 1
    assert [line for line in lines if line != line.rstrip()] == []
    first, second = (line for line in lines if line.startswith("id "))
    assert first.index("cats") == second.index("dogs")


def test_check_of_weights_that_are_a_link_to_elsewhere(
    run: Run, catalog: Catalog, directory: Path, tmp_path: Path
) -> None:
    (directory / "cats.onnx").rename(tmp_path / "blob")
    (directory / "cats.onnx").symlink_to(tmp_path / "blob")
    catalog.specs = (model(directory / "cats.onnx"),)
    assert "cats.onnx" in run("models", "check", directory).stdout


def test_check_of_a_version_shows_the_whole_id(run: Run, tmp_path: Path) -> None:
    onnx_models.make(tmp_path / "shop" / "3" / "weights.onnx")
    (tmp_path / "shop" / "3" / "model.toml").write_text("family = 'yolov8'\ntask = 'detect'")
    result = run("models", "check", tmp_path / "shop" / "3", "--cache-dir", tmp_path / "cache")
    assert result.exit_code == 0, result.output
    assert "shop/3" in result.stdout


def test_check_exits_with_1_and_the_reason(run: Run, catalog: Catalog, directory: Path) -> None:
    catalog.refused = ((directory / "cats.onnx", "it has no outputs"),)
    result = run("models", "check", directory)
    assert result.exit_code == 1
    assert result.stderr == f"parallax: {directory}/cats.onnx: it has no outputs\n"


def test_check_of_an_empty_place_is_no_success(run: Run, catalog: Catalog, directory: Path) -> None:
    catalog.specs = (model("/elsewhere/demo.onnx", id="demo"),)
    result = run("models", "check", directory)
    assert result.exit_code == 1
    assert result.stderr == f"parallax: {directory}: there is no model here\n"
    assert "demo" not in result.stdout


def test_check_of_nothing(run: Run, catalog: Catalog) -> None:
    assert run("models", "check", "nowhere").exit_code == 2


def test_named_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(*_: object) -> None:
        raise errors.ModelRefusedError("the cache cannot be written")

    monkeypatch.setattr(catalogs, "prepare", prepare)
    result = run("models", "ls")
    assert (result.exit_code, result.stderr) == (1, "parallax: the cache cannot be written\n")
