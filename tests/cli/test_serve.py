"""``parallax serve`` hands the settings over and turns named failures into lines and exit codes."""

import tomllib
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from parallax import supervisor
from parallax.cli import arguments, serve
from parallax.contract import errors
from parallax.settings import concerns, fields
from tests.cli.conftest import Run

Serve = Callable[..., int]


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what the supervisor was given to choose settings with, one per call."""
    seen: list[object] = []

    def serve_with(_: concerns.Settings, tune: object = None) -> int:
        seen.append(tune)
        return 0

    behave(monkeypatch, serve_with)
    return seen


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[concerns.Settings]:
    """Return the settings that the supervisor was given, one per call."""
    seen: list[concerns.Settings] = []

    def serve_with(settings: concerns.Settings) -> int:
        seen.append(settings)
        return 0

    behave(monkeypatch, serve_with)
    return seen


def behave(monkeypatch: pytest.MonkeyPatch, serve_with: Serve) -> None:
    module = types.SimpleNamespace(serve=serve_with)
    monkeypatch.setattr(supervisor, "run", module, raising=False)


def raising(problem: Exception) -> Serve:
    def serve_with(_: concerns.Settings) -> int:
        raise problem

    return serve_with


def test_every_field_has_an_option() -> None:
    flags = {flag for parameter in serve.command.params for flag in parameter.opts}
    assert {field.flag for field in fields.FIELDS} <= flags


def test_flags_reach_the_supervisor(run: Run, served: list[concerns.Settings]) -> None:
    result = run(
        "serve", "--port", 0, "--no-metrics", "--access-log", "--devices", "cpu", "--devices",
        "cuda:1", "--slab-slots", 7, "--max-delay-ms", "1.5",
    )  # fmt: skip
    assert (result.exit_code, result.output) == (0, "")
    (settings,) = served
    assert (settings.http.port, settings.http.metrics, settings.http.access_log) == (0, False, True)
    assert settings.workers.devices == ("cpu", "cuda:1")
    assert settings.slab.slots == 7
    assert settings.batching.max_delay_ms == 1.5


def test_settings_are_complete_for_this_machine(run: Run, served: list[concerns.Settings]) -> None:
    run("serve")
    (settings,) = served
    assert settings.workers.cpu_workers
    assert settings.broker.node


def test_environment_and_file_count(
    run: Run, served: list[concerns.Settings], environ: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[http]\nport = 1\nhost = 'h'\n")
    environ["PORT"] = "2"
    run("serve", "--config", config)
    (settings,) = served
    assert (settings.http.host, settings.http.port) == ("h", 2)


def test_exit_code_is_the_supervisors(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, lambda _: 3)
    assert run("serve").exit_code == 3


def test_wrong_settings_give_a_line_each_and_2(
    run: Run, served: list[concerns.Settings], environ: dict[str, str]
) -> None:
    environ["NUM_WORKERS"] = "0"
    result = run("serve", "--port", "x")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "parallax: NUM_WORKERS: 0 is not a whole number from 1 to 256",
        "parallax: --port: 'x' is not a whole number from 0 to 65535",
    ]
    assert served == []


def test_unknown_flag_exits_with_2(run: Run) -> None:
    result = run("serve", "--prot", "1")
    assert result.exit_code == 2
    assert "--port" in result.stderr


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (errors.StartupError("port 1 is taken"), 1),
        (errors.ModelRefusedError("a.onnx: no"), 1),
        (errors.SettingsError("--devices: no"), 2),
    ],
)
def test_named_failures_of_the_start(
    run: Run, monkeypatch: pytest.MonkeyPatch, problem: errors.ParallaxError, code: int
) -> None:
    behave(monkeypatch, raising(problem))
    result = run("serve")
    assert (result.exit_code, result.stderr) == (code, f"parallax: {problem.message}\n")


def test_a_bug_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, raising(ZeroDivisionError()))
    assert isinstance(run("serve").exception, ZeroDivisionError)


def test_remarks_are_shown_and_stop_nothing(
    run: Run, served: list[concerns.Settings], environ: dict[str, str]
) -> None:
    environ["PARALLAX_PROT"] = "1"
    result = run("serve")
    assert result.exit_code == 0
    assert "did you mean PARALLAX_PORT?" in result.stderr
    assert len(served) == 1


def test_print_config_prints_and_does_not_serve(run: Run, served: list[concerns.Settings]) -> None:
    result = run("serve", "--port", "5", "--print-config")
    assert tomllib.loads(result.stdout)["http"]["port"] == 5
    assert "[set by --port]" in result.stdout
    assert served == []


@pytest.mark.parametrize(("options", "tunes"), [((), False), (("--auto-tune",), True)])
def test_settings_are_chosen_by_measurement_only_when_wanted(
    run: Run, tuned: list[object], options: tuple[str, ...], tunes: bool
) -> None:
    assert run("serve", *options).exit_code == 0
    assert [tune is not None for tune in tuned] == [tunes]


def test_there_is_nothing_to_save_without_a_measurement(
    run: Run, served: list[concerns.Settings]
) -> None:
    result = run("serve", "--auto-tune-save", "f.toml")
    assert result.exit_code == 2
    assert result.stderr == (
        "parallax: --auto-tune-save: there is nothing to save without --auto-tune\n"
    )
    assert served == []


def test_help_names_default_and_environment() -> None:
    option = arguments.to_option(fields.BY_KEY["http.port"])
    assert option.help is not None
    assert option.help.endswith("[default: 9001; env: PARALLAX_PORT, PORT]")
