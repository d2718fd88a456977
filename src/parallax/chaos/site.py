"""The server that chaos is let loose on: what it says of itself, and how to reach its parts."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parallax.bench import failures, inquiry, process_tree
from parallax.broker import admin, server_config
from parallax.chaos import ledger, processes
from parallax.contract.topology import Role

_STEP, _SHORT = 0.1, 0.001
"""Seconds between two looks, and between the first ones."""
_STANDSTILL = 5.0
"""Seconds in which a stopped process must stand still."""

Row = dict[str, Any]


@dataclass(slots=True)
class Site:
    """A parallax whose processes are on this machine."""

    url: str
    supervisor: int
    """Pid."""
    asking: inquiry.Server
    model: str
    models_dir: Path | None = None
    """Where a copy of the model lies that may be replaced; None: nowhere."""
    shm_dir: Path | None = None
    """Where its shared memory lies; None: not known."""
    private_shm: bool = False
    """Nobody else uses that file system."""
    cuts: list[ledger.Cut] = field(default_factory=list)
    met: dict[int, int] = field(default_factory=dict)
    """All processes of the server that were ever seen: birth by pid."""

    def status(self) -> dict[str, Any]:
        """Return ``/status``; empty if there is no answer."""
        return self.asking.json("/status")

    def rows(self) -> list[Row]:
        """Return the process table without the supervisor."""
        found = self.status().get("processes", [])
        return [row for row in found if row["role"] != Role.SUPERVISOR]

    def pids(self, *roles: str) -> list[int]:
        """Return the ready processes of some roles, of all by default."""
        self.meet()
        return [
            row["pid"]
            for row in self.rows()
            if row["state"] == "ready" and row["pid"] and (not roles or row["role"] in roles)
        ]

    def meet(self) -> set[int]:
        """Remember all processes that the server has now, and return them."""
        found = process_tree.descendants(self.supervisor)
        for pid in found:
            self.met[pid] = processes.birth(pid)
        return found

    def survivors(self) -> list[int]:
        """Return the processes that were seen once, live, and are no children of the server."""
        now = process_tree.descendants(self.supervisor)
        return [
            pid
            for pid, birth in self.met.items()
            if pid not in now and processes.alive(pid) and processes.birth(pid) == birth
        ]

    def calm(self, gone: Iterable[int] = ()) -> bool:
        """Say whether all is well: ready, each process too, and those that should be gone are."""
        status = self.status()
        rows = status.get("processes", [])
        pids = {row["pid"] for row in rows}
        return (
            bool(status.get("ready"))
            and status.get("broker") == "ok"
            and all(row["state"] == "ready" for row in rows)
            and not pids.intersection(gone)
            and self.asking.get("/readiness") is not None
        )

    def idle(self) -> bool:
        """Say whether it has nothing in hand."""
        status = self.status()
        streams = [row for name, row in status.get("streams", {}).items() if name != "dead"]
        return (
            bool(streams)
            and status["in_flight"] == 0
            and status["slab"]["held"] == 0
            and all(row["length"] == row["pending"] == 0 for row in streams)
        )

    def console(self) -> admin.Console | None:
        """Return a console of its own broker; None if it has none that can be reached."""
        place = self.run_dir
        return None if place is None else admin.Console(server_config.url(place))

    @property
    def run_dir(self) -> Path | None:
        """Where the broker's socket is; None: not known."""
        pid = next(iter(self.pids(Role.BROKER)), 0)
        socket = processes.unix_socket(pid) if pid else None
        return None if socket is None else socket.parent

    def kill(self, pid: int, *, api: bool) -> None:
        """Kill a process. The connections of an api process are noted while it stands still."""
        if api:
            self.send(pid, signal.SIGSTOP)
            self.cuts.append(self.cut(pid))
        self.send(pid, signal.SIGKILL)

    def cut(self, pid: int) -> ledger.Cut:
        """Return the connections that end with a process that was told to stand still."""
        wait(lambda: processes.still(pid), _STANDSTILL, lambda: None)
        return ledger.Cut(time.monotonic(), processes.client_ports(pid))

    def send(self, pid: int, number: int) -> None:
        """Send a signal to a process that may have ended."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError as problem:
            raise failures.BenchError(f"may not signal process {pid} of the server") from problem


def wait(happened: Callable[[], bool], seconds: float, tick: Callable[[], None]) -> bool:
    """Wait until something is so; say whether it was in time."""
    deadline = time.monotonic() + seconds
    step = _SHORT
    while not happened():
        if time.monotonic() > deadline:
            return False
        tick()
        time.sleep(step)
        step = min(_STEP, 2 * step)
    return True
