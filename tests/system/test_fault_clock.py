"""The wall clock steps under load, for the broker and for every process: nobody notices.

Our own deadlines are of the monotonic clock. The broker's expiries are not: a step forward ends all
leases and mailboxes at once, and a step back makes them last.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import load
from tests.support import server as servers

pytestmark = pytest.mark.system


class Clock:
    """What processes with these variables take for the time of day."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.step("+0")

    def step(self, to: str) -> None:
        """Set it to the real time and so much."""
        new = self._path.with_suffix(".new")
        new.write_text(to)
        os.replace(new, self._path)

    def variables(self, library: Path) -> dict[str, str]:
        """Return what a process has to be started with."""
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def _library() -> Path:
    for folder in ("/usr/lib", "/usr/lib64", "/usr/local/lib"):
        for found in Path(folder).glob("**/faketime/libfaketimeMT.so.1"):
            return found
    pytest.skip("libfaketime is not installed")


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock that can be set."""
    return Clock(tmp_path / "clock")


@pytest.fixture
def server(clock: Clock) -> Iterator[servers.Server]:
    """A server that goes by it, and so does its broker."""
    options = ("--cpu-workers", "2", "--lease", "1")
    with servers.serve(*options, env=clock.variables(_library())) as running:
        yield running


def test_steps_of_the_wall_clock_cost_no_request(
    server: servers.Server, clock: Clock, sample: bytes
) -> None:
    with load.Load(server.url, sample) as sending:
        for to in ("+2h", "-3h"):
            sending.answers(20)
            clock.step(to)
        sending.answers(40)
    sending.ledger.check()
    assert all(not row["restarts"] for row in server.status()["processes"])
    assert server.status()["streams"]["dead"]["length"] == 0
    server.wait_idle()
