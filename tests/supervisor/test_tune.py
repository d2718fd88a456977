"""Choosing at the start: what ends it, what is skipped, and what comes of a real measurement."""

from dataclasses import replace
from pathlib import Path

import pytest

from parallax.contract import errors
from parallax.policy import tuning
from parallax.settings import concerns, fields, load
from parallax.supervisor import announce, tune
from tests.supervisor import child_mains
from tests.support import onnx_models


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> concerns.Settings:
    """Settings of a node with a small model, whose measurement takes no time."""
    monkeypatch.setattr(tune, "SECONDS", 0.0)
    onnx_models.make(tmp_path / "models" / "m.onnx")
    return replace(
        concerns.Settings(),
        workers=concerns.WorkerSettings(cpu_workers=7, devices=("cpu",)),
        models=concerns.ModelSettings(
            models=(str(tmp_path / "models"),), cache_dir=str(tmp_path / "cache")
        ),
    )


def saving(settings: concerns.Settings, path: Path) -> concerns.Settings:
    return fields.changed(settings, {"workers.auto_tune_save": str(path)})


async def test_what_is_open_is_chosen_said_and_saved(
    settings: concerns.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "f.toml"
    tuner = tune.Tuner({tuning.CPU_WORKERS})

    tuned = await tuner(saving(settings, path), announce.Announcer())

    said = capsys.readouterr().err
    assert said.startswith("tune      measured m in ")
    assert f"tune      --runs {tuned.workers.runs}: m: " in said
    assert tuned.workers.cpu_workers == 7
    read = load.read({}, {}, path).settings
    for key in (tuning.RUNS, tuning.RUN_THREADS, tuning.CPU_BATCH, tuning.API_WORKERS):
        assert fields.BY_KEY[key].value_in(read) == fields.BY_KEY[key].value_in(tuned)
    assert read.workers.cpu_workers is None


async def test_nothing_is_measured_when_everything_is_set(
    settings: concerns.Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await tune.Tuner(tuning.KEYS)(settings, announce.Announcer()) is settings
    assert capsys.readouterr().err == "tune      nothing to choose: every value is set\n"


async def test_a_file_that_cannot_be_amended_ends_the_start_before_the_measurement(
    settings: concerns.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "f.toml"
    path.write_text("[http\n")

    with pytest.raises(errors.SettingsError, match=r"f\.toml: is not valid TOML"):
        await tune.Tuner(())(saving(settings, path), announce.Announcer())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("measure", "patience"), [("ends", 30.0), ("hangs", 0.5)])
async def test_a_measurement_that_fails_leaves_the_defaults(
    settings: concerns.Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measure: str,
    patience: float,
) -> None:
    monkeypatch.setattr(tune, "measure", getattr(child_mains, f"measuring_{measure}"))
    monkeypatch.setattr(tune, "PATIENCE", patience)

    assert await tune.Tuner(())(settings, announce.Announcer()) is settings
    assert "the defaults stay" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "measured", "expected"),
    [
        (1, 1, "measured m0 in 2.0 s on 4 cores"),
        (9, 2, "measured m0, m1 of 9 models in 2.0 s on 4 cores; the heaviest decides on runs"),
    ],
)
def test_the_first_line_says_what_was_measured(count: int, measured: int, expected: str) -> None:
    way = {tuning.Way(4, 1, 1): 1.0}
    took = [tuning.Measured(f"m{index}", 1.0, 1.0, way) for index in range(measured)]

    assert tune.summary(count, took, tuning.Place(4, 0, {}), 2.0).startswith(expected)
