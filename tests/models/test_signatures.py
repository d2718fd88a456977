"""What a look at folders of models sees."""

import os
from pathlib import Path

import pytest

from parallax.models import discovery, signatures


def put(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def changed(folder: Path, before: dict[str, str]) -> set[str]:
    """Return the places, relative to the folder, that look different now."""
    after = signatures.scan([folder])
    return {
        os.path.relpath(place, folder)
        for place in before.keys() | after.keys()
        if before.get(place) != after.get(place)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Packages in each of the places that they may have."""
    put(tmp_path / "bare.onnx")
    put(tmp_path / "bare.toml")
    put(tmp_path / "second.onnx")
    put(tmp_path / "project" / "model.onnx")
    put(tmp_path / "shop" / "3" / "weights.onnx")
    put(tmp_path / "shop" / "4" / "weights.onnx")
    return tmp_path


def test_every_package_that_is_found_has_a_place(folder: Path) -> None:
    found = {signatures.place_of(each.path, folder) for each in discovery.find(folder)}

    assert len(found) == 5
    assert found <= signatures.scan([folder]).keys()


def test_nothing_changes_by_looking(folder: Path) -> None:
    assert changed(folder, signatures.scan([folder])) == set()


@pytest.mark.parametrize(
    ("path", "places"),
    [
        ("bare.onnx", {"bare.onnx"}),
        ("bare.toml", {"bare.onnx", "second.onnx"}),
        ("project/labels.txt", {"project"}),
        ("shop/3/weights.onnx", {"shop/3"}),
        ("shop/3/data/external.bin", {"shop/3", "shop/3/data"}),
        ("shop/5/weights.onnx", {"shop/5"}),
        ("new.onnx", {"new.onnx"}),
        (".hidden", set()),
        ("shop/.part", set()),
    ],
)
def test_a_written_file_changes_its_place(folder: Path, path: str, places: set[str]) -> None:
    before = signatures.scan([folder])
    put(folder / path, "something longer")

    assert changed(folder, before) == places


def test_a_removed_folder_is_gone(folder: Path) -> None:
    before = signatures.scan([folder])
    (folder / "project" / "model.onnx").unlink()
    (folder / "project").rmdir()

    assert changed(folder, before) == {"project"}


def test_a_replacement_of_the_same_size_and_time_is_seen(folder: Path) -> None:
    before = signatures.scan([folder])
    times = os.stat(folder / "bare.onnx")
    put(folder / "next", "y")
    os.utime(folder / "next", ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(folder / "next", folder / "bare.onnx")

    assert changed(folder, before) == {"bare.onnx"}


def test_the_target_of_a_link_counts(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = put(tmp_path_factory.mktemp("elsewhere") / "w.onnx")
    (folder / "linked.onnx").symlink_to(target)
    (folder / "dead.onnx").symlink_to(target.with_name("nothing"))
    before = signatures.scan([folder])
    put(target, "longer")

    assert changed(folder, before) == {"linked.onnx"}


def test_circles_of_links_end(folder: Path) -> None:
    (folder / "project" / "again").symlink_to(folder)

    assert signatures.scan([folder])


def test_a_folder_that_is_away_is_an_error_and_not_empty(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        signatures.scan([tmp_path / "nowhere"])


def test_a_single_file_is_a_place(folder: Path) -> None:
    path = folder / "bare.onnx"

    assert list(signatures.scan([path])) == [str(path)]
    assert signatures.place_of(path, path) == str(path)
