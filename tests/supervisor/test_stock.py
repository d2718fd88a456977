"""What is said of the packages at the start."""

from collections.abc import Callable
from pathlib import Path

import pytest

from parallax.contract import errors, spec
from parallax.policy import shelf as shelves
from parallax.settings import concerns
from parallax.supervisor import announce, prepare, stock
from tests.support import fakes

Put = Callable[[spec.Reading], concerns.Settings]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Put:
    """Let reading the folder give this."""

    def found(reading: spec.Reading) -> concerns.Settings:
        async def read_all(_: concerns.Settings) -> tuple[spec.Reading, ...]:
            return (reading,)

        monkeypatch.setattr(prepare, "read_all", read_all)
        return concerns.Settings(models=concerns.ModelSettings(models=(str(tmp_path),)))

    return found


async def test_the_remarks_on_packages_are_said(
    put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    read = spec.Reading("/m", "/m/w.onnx", "m", fakes.model("m"), notes=("m: family guessed",))

    await stock.take(put(read), announce.Announcer())

    model, note = capsys.readouterr().err.splitlines()
    assert model.startswith("model     m: ")
    assert note.strip() == "m: family guessed"


async def test_a_folder_without_models_is_warned_of(
    put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    note = "no models in x: serving the demo model"
    read = spec.Reading(shelves.DEMO_PLACE, "/d.onnx", "demo", fakes.model("demo"), notes=(note,))

    await stock.take(put(read), announce.Announcer())

    assert [(each.levelname, each.message) for each in caplog.records] == [("WARNING", note)]


async def test_a_refused_package_ends_the_start(put: Put) -> None:
    read = spec.Reading("/m", "/m/w.onnx", "m", reason="no outputs")

    with pytest.raises(errors.StartupError, match=r"/m/w\.onnx: no outputs"):
        await stock.take(put(read), announce.Announcer())
