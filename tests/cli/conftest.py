"""Commands run in an empty directory, with an environment of their own."""

from collections.abc import Callable
from pathlib import Path

import click.testing
import pytest

from parallax.cli import main
from parallax.settings import sources

Run = Callable[..., click.testing.Result]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Return the environment that commands see; a test may add to it."""
    seen = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    monkeypatch.setattr(sources, "environment", lambda: dict(seen))
    monkeypatch.chdir(tmp_path)
    return seen


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Return a function that runs ``parallax`` with arguments."""
    runner = click.testing.CliRunner()
    return lambda *arguments: runner.invoke(main.main, [str(one) for one in arguments])
