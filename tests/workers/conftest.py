"""A node to work on, which must be clean when the test is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from parallax.workers import consumer, traffic
from tests.workers import world as worlds


@pytest.fixture
def world(tmp_path: Path) -> Iterator[worlds.World]:
    """A node that must end with empty streams and free slots."""
    made = worlds.World(tmp_path)
    yield made
    made.check_clean()


@pytest.fixture(autouse=True)
def quick_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idle workers look up often, so that stopping one costs no half second."""
    monkeypatch.setattr(consumer, "READ_BLOCK_MS", 10)
    monkeypatch.setattr(traffic, "READ_BLOCK_MS", 10)
