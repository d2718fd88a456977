"""A real ``parallax serve`` as a process of its own, and a look at all it might leave behind."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support import wait

SHM = Path("/dev/shm")
READY = re.compile(r"^ready +(https?://\S+) ", re.MULTILINE)


@dataclass(slots=True)
class Server:
    """A started server; ``log`` is what it wrote to standard error."""

    process: subprocess.Popen[bytes]
    home: Path
    shm: Path
    log_path: Path
    url: str = ""
    key: str = ""
    """The one that the server demands."""
    pids: set[int] = field(default_factory=set)

    @property
    def log(self) -> str:
        """Everything the server and its children wrote so far."""
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> httpx.Response:
        """GET a path."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.get(self.url + path, timeout=10, headers=headers)

    def status(self) -> dict[str, Any]:
        """Return ``/status``, and remember all pids it names."""
        found: dict[str, Any] = self.get("/status").json()
        self.pids |= {row["pid"] for row in found["processes"] if row["pid"]}
        return found

    def rows(self, role: str) -> list[dict[str, Any]]:
        """Return the process table's rows of a role."""
        return [row for row in self.status()["processes"] if row["role"] == role]

    def pid(self, role: str, slot: int = 0) -> int:
        """Return the pid of a slot that is ready."""
        return next(
            int(row["pid"])
            for row in self.rows(role)
            if row["slot"] == slot and row["state"] == "ready"
        )

    def kill(self, role: str, slot: int = 0, number: int = signal.SIGKILL) -> int:
        """Send a signal to a slot's process and return its pid."""
        pid = self.pid(role, slot)
        os.kill(pid, number)
        return pid

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the start is announced and ``/readiness`` agrees."""

        def announced() -> bool:
            assert self.process.poll() is None, f"the server ended:\n{self.log}"
            return READY.search(self.log) is not None

        wait.wait_until(announced, "the server announces that it is ready", timeout)
        match = READY.search(self.log)
        assert match is not None
        self.url = match[1]
        wait.wait_until(
            lambda: self.get("/readiness").status_code == 200, "readiness is true", timeout
        )
        self.status()

    def wait_restarted(self, role: str, old_pid: int, timeout: float = 30.0) -> None:
        """Wait until no process of the role is missing, and the old one is not among them."""

        def replaced() -> bool:
            rows = self.rows(role)
            return all(row["state"] == "ready" and row["pid"] != old_pid for row in rows)

        wait.wait_until(replaced, f"{role} is back", timeout)

    def wait_idle(self, timeout: float = 20.0) -> None:
        """Wait until no entry, no slot and no request is left anywhere."""

        def idle() -> bool:
            status = self.status()
            streams = {k: v for k, v in status["streams"].items() if k != "dead"}
            return (
                status["in_flight"] == 0
                and status["slab"]["held"] == 0
                and bool(streams)
                and all(s["length"] == 0 and s["pending"] == 0 for s in streams.values())
            )

        wait.wait_until(idle, "streams, pending lists and slots are empty", timeout)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> int:
        """End the server by a signal and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)

    def connections(self, pid: int) -> int:
        """Return how many clients' connections a process has accepted and not closed."""
        port = f":{httpx.URL(self.url).port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        established = {row[9] for row in rows if row[1].endswith(port) and row[3] == "01"}
        count = 0
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += os.readlink(each).removeprefix("socket:[").rstrip("]") in established
        return count

    def pending(self, model: str = "") -> int:
        """Return how many entries of a model (of all) the inference loop holds."""
        streams = self.status()["streams"]
        return sum(
            stats["pending"]
            for name, stats in streams.items()
            if name.startswith("infer:") and name.endswith(model)
        )

    def answers(self) -> bool:
        """Say whether the server is reachable and ready."""
        try:
            return self.get("/readiness").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def leftovers(self) -> list[str]:
        """Name what outlived the server: processes, shared memory, run directories."""
        left = [f"process {pid}: {_command(pid)}" for pid in self.pids if alive(pid)]
        left += [str(path) for path in self.shm.iterdir()]
        left += [str(path) for path in (self.home / "tmp").glob("parallax-run-*")]
        return left


@contextmanager
def serve(*options: str, env: dict[str, str] | None = None, key: str = "") -> Iterator[Server]:
    """Run ``parallax serve`` with its own home, on a free port, without TCP for the broker.

    On the way out the server is stopped, and nothing of it may be left.
    """
    locks = ("--api-key", key) if key else ()
    with starting(*options, *locks, env=env) as server:
        server.key = key
        server.wait_ready()
        yield server
        if server.process.poll() is None:
            server.status()
            server.stop()
        wait.wait_until(lambda: not server.leftovers(), lambda: str(server.leftovers()), 10.0)


@contextmanager
def starting(*options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Start ``parallax serve`` without waiting for anything; kill it on the way out if need be."""
    # Short, because the path of a unix socket may have 107 characters.
    home = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
    (home / "tmp").mkdir()
    shm = SHM / home.name
    shm.mkdir()
    log_path = home / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "parallax", "serve"),
                *("--port", "0", "--redis-port", "0", "--shm-dir", str(shm)),
                *options,
            ],
            env=environment(home) | (env or {}),
            cwd=home,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    server = Server(process, home, shm, log_path)
    try:
        yield server
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(shm, ignore_errors=True)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a server: nothing of ours but the way to Python."""
    kept = {
        name: os.environ[name]  # noqa: TID251 - what a child needs to find its interpreter
        for name in ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
        if name in os.environ  # noqa: TID251
    }
    source = str(Path(__file__).parents[2] / "src")
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "PYTHONPATH": source,
    }


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a short ``parallax`` command to its end."""
    home = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
    (home / "tmp").mkdir()
    try:
        return subprocess.run(
            [sys.executable, "-m", "parallax", *arguments],
            env=environment(home) | (env or {}),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def parent(pid: int) -> int:
    """Return the pid of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    """Say whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def processes_of(home: Path) -> Iterator[int]:
    """Yield the processes that were started with this home."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found = f"HOME={home}\0".encode() in path.read_bytes()
        except OSError:
            continue
        if found and alive(int(path.parent.name)):
            yield int(path.parent.name)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "gone"


def signal_if_alive(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
