"""Reading packages in a process that may be lost."""

from collections.abc import Collection
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from parallax.contract import errors, spec
from parallax.settings import concerns
from parallax.supervisor import child as children
from parallax.supervisor import prepare
from tests.support import onnx_models

SETTINGS = concerns.Settings()


class Process:
    """Reads as the real one does; some places bring it down or take it for ever."""

    def __init__(self, deadly: Collection[str] = (), endless: Collection[str] = ()) -> None:
        self.deadly = set(deadly)
        self.endless = set(endless)
        self.calls: list[list[str]] = []

    async def call(
        self, function: object, settings: object, places: frozenset[str], *, patience: float
    ) -> Any:
        self.calls.append(sorted(places))
        if places & self.deadly:
            raise BrokenProcessPool
        if places & self.endless:
            raise TimeoutError
        return tuple(spec.Reading(place, place, place) for place in sorted(places))


@pytest.mark.parametrize(
    ("process", "reason"),
    [
        (Process(deadly=["b"]), "reading it crashed"),
        (Process(endless=["b"]), "reading it took over 7 s"),
    ],
)
async def test_a_place_that_brings_its_reader_down_is_refused_alone(
    process: Process, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "call", process.call)

    found = await prepare.read(SETTINGS, ("a", "b", "c"), patience=7.0)

    assert {each.place: each.reason for each in found} == {"a": "", "b": reason, "c": ""}
    assert process.calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]


async def test_places_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process()
    monkeypatch.setattr(children, "call", process.call)

    await prepare.read(SETTINGS, ("a", "b"))

    assert process.calls == [["a", "b"]]


@pytest.mark.parametrize("problem", [BrokenProcessPool(), TimeoutError()])
async def test_a_start_whose_reading_fails_is_no_start(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(*arguments: object, patience: float) -> Any:
        raise problem

    monkeypatch.setattr(children, "call", call)

    with pytest.raises(errors.StartupError, match="reading the models"):
        await prepare.read_all(SETTINGS)


async def test_the_real_process_reads(tmp_path: Path) -> None:
    onnx_models.make(tmp_path / "models" / "m.onnx")
    folder = str(tmp_path / "models")
    models = concerns.ModelSettings(models=(folder,), cache_dir=str(tmp_path / "cache"))

    (found,) = await prepare.read(
        concerns.Settings(models=models), (str(tmp_path / "models" / "m.onnx"),)
    )

    assert found.model is not None
    assert found.model.id == "m"
