"""Folders that change while somebody looks."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from parallax.contract import spec
from parallax.models import signatures
from parallax.settings import concerns
from parallax.supervisor import prepare, watch
from tests.support import fakes
from tests.support.wait import wait_until_async


class Shelf:
    """Takes in what is read, and lets reading mean that the file exists."""

    def __init__(self, folder: Path) -> None:
        self.settings = concerns.Settings(models=concerns.ModelSettings(models=(str(folder),)))
        self.read: list[str] = []
        self.gone: list[str] = []

    async def reading(
        self, settings: concerns.Settings, places: Collection[str]
    ) -> tuple[spec.Reading, ...]:
        named = [(place, Path(place).stem) for place in places if place.endswith(".onnx")]
        return tuple(spec.Reading(place, place, stem, fakes.model(stem)) for place, stem in named)

    def take(self, readings: Collection[spec.Reading], gone: Collection[str]) -> None:
        self.read += [reading.id for reading in readings]
        self.gone += [Path(place).name for place in gone]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf(tmp_path)
    monkeypatch.setattr(prepare, "read", made.reading)
    monkeypatch.setattr(watch, "EVERY", 0.01)
    return made


@asynccontextmanager
async def watching(shelf: Shelf) -> AsyncIterator[None]:
    first = await watch.first_look(shelf.settings)
    task = asyncio.ensure_future(watch.Watcher(shelf.settings, first, shelf.take).run())
    yield
    task.cancel()
    await asyncio.wait({task})


async def test_what_is_added_is_read_and_what_was_there_is_not(
    shelf: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "old.onnx").write_text("x")
    async with watching(shelf):
        (tmp_path / "new.onnx").write_text("x")
        await wait_until_async(lambda: shelf.read == ["new"], "it is read")

    assert shelf.gone == []


async def test_what_is_removed_is_gone(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "old.onnx").write_text("x")
    async with watching(shelf):
        (tmp_path / "old.onnx").unlink()
        await wait_until_async(lambda: shelf.gone == ["old.onnx"], "it is gone")


async def test_a_folder_whose_model_is_gone_is_no_package_any_more(
    shelf: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "labels.txt").write_text("x")
    async with watching(shelf):
        (tmp_path / "pack" / "labels.txt").write_text("longer")
        await wait_until_async(lambda: shelf.gone == ["pack"], "it is no package")


async def test_a_folder_that_is_away_is_not_taken_for_empty(
    shelf: Shelf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "old.onnx").write_text("x")
    scan, looks = signatures.scan, 0

    def away(folders: list[Path]) -> dict[str, str]:
        nonlocal looks
        looks += 1
        raise OSError(116, "Stale file handle")

    async with watching(shelf):
        monkeypatch.setattr(signatures, "scan", away)
        await wait_until_async(lambda: looks > 5, "it looks and sees nothing")
        monkeypatch.setattr(signatures, "scan", scan)
        (tmp_path / "new.onnx").write_text("x")
        await wait_until_async(lambda: shelf.read == ["new"], "it sees again")

    assert shelf.gone == []
    assert sum("Stale file handle" in record.message for record in caplog.records) == 1


async def test_a_first_look_that_fails_is_left_to_reading(tmp_path: Path) -> None:
    assert await watch.first_look(Shelf(tmp_path / "nowhere").settings) == {}
