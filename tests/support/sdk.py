"""The original client, unmodified, in an environment of its own: it depends on ``pillow``, which
must not come near Pillow-SIMD.

The environment is made once per list of packages and kept outside of the work tree.
"""

import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
REQUIREMENTS = FOLDER / "sdk_requirements.txt"
DRIVER = FOLDER / "sdk_driver.py"
PATIENCE = 45.0
"""Seconds for the calls of one order."""

Call = tuple[str, dict[str, Any]]


class RaisedError(Exception):
    """What the client raised."""

    def __init__(self, raised: str, text: str, status: int | None, message: str | None) -> None:
        super().__init__(f"{raised}: {text}")
        self.raised = raised
        self.status = status
        self.message = message or ""


@dataclass(frozen=True)
class Driver:
    """The running program beside which the client lives."""

    process: subprocess.Popen[str]

    def order(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """Have an order carried out and return what came of its calls."""
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(json.dumps(order) + "\n")
        requests.flush()
        ready, _, _ = select.select([answers], [], [], PATIENCE)
        assert ready, f"the client did not return within {PATIENCE:g} s: {order['calls']}"
        line = answers.readline()
        assert line, f"the driver of the client ended: {order['calls']}"
        outcomes: list[dict[str, Any]] = json.loads(line)
        return outcomes


@dataclass(frozen=True)
class Client:
    """One client of one server; its state lasts for one call of ``calls``."""

    driver: Driver
    url: str
    key: str | None = None
    v0: bool = False
    configuration: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Return what a method returns, or raise what it raises as ``RaisedError``."""
        return self.calls((method, arguments))[-1]

    def infer(self, image: Any, model: str, method: str = "infer") -> Any:
        """Return the answers about one picture, or a list of them."""
        return self.call(method, inference_input=image, model_id=model)

    def calls(self, *calls: Call) -> list[Any]:
        """Return the results of several methods of one client, in order."""
        mode: Call = ("select_api_v0" if self.v0 else "select_api_v1", {})
        client = {"api_url": self.url, "api_key": self.key}
        configuration = {"api_key_transport": "legacy", **self.configuration}
        order = {"client": client, "configuration": configuration, "calls": [mode, *calls]}
        return [_value(outcome) for outcome in self.driver.order(order)][1:]


@contextmanager
def driving() -> Iterator[Driver]:
    """Run the driver; skip the test, or in CI fail it, where its environment cannot be made."""
    python = _python()
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [str(python), "-W", "ignore", str(DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=home,
            env={"HOME": home, "PATH": "/usr/bin:/bin"},
        )
        with process:
            try:
                yield Driver(process)
            finally:
                process.kill()


def _value(outcome: dict[str, Any]) -> Any:
    if "raised" in outcome:
        raise RaisedError(**outcome)
    return outcome["value"]


def _python() -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(version.encode() + REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = Path.home() / ".cache" / "parallax-tests" / f"sdk-{digest}"
    python = folder / "bin" / "python"
    if not python.exists():
        try:
            _make(folder)
        except (OSError, subprocess.CalledProcessError) as problem:
            # Only what a person runs may do without it.
            if os.environ.get("CI") == "true":  # noqa: TID251
                raise
            pytest.skip(f"the environment of the original client cannot be made: {problem}")
    return python


def _make(folder: Path) -> None:
    """Make an environment: under another name first, so that it is there whole or not at all."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        venv.create(made, symlinks=True)
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:")
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--python", str(made / "bin" / "python")),
                *("install", *options, "-r", str(REQUIREMENTS)),
            ],
            check=True,
        )
        made.rename(folder)
