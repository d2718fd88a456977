"""The command as a whole: its names, its version, and how fast it answers."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from parallax import cli, version
from parallax.cli import main
from tests.cli.conftest import Run


def test_version(run: Run) -> None:
    assert run("--version").output == f"parallax, version {version.VERSION}\n"


def test_help_lists_the_commands(run: Run) -> None:
    result = run("--help")
    for name, (_, help_line) in main.COMMANDS.items():
        assert f"  {name} " in result.output
        assert help_line in result.output


@pytest.mark.parametrize("name", main.COMMANDS)
def test_each_name_is_a_command_with_help(name: str, run: Run) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_unknown_command_exits_with_2(run: Run) -> None:
    result = run("sreve")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_help_imports_nothing_of_the_server() -> None:
    heavy = {"numpy", "onnx", "onnxruntime", "starlette", "redis", "rich", "PIL", "urllib.request"}
    code = (
        "import sys\n"
        "from parallax.cli import main\n"
        "main.main(['--help'], standalone_mode=False)\n"
        f"sys.exit(' '.join({heavy!r} & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_answers_at_once() -> None:
    # An environment of its own: a child that measures its coverage is several times slower.
    environ = {"PYTHONPATH": str(Path(cli.__file__).parents[2])}

    def seconds() -> float:
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "parallax", "--help"],
            capture_output=True,
            check=True,
            env=environ,
        )
        return time.monotonic() - started

    assert min(seconds() for _ in range(5)) < 0.3
