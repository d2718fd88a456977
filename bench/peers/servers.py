"""The servers that are compared: how each is started, found ready and stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import load, setup
from parallax.bench import process_tree

_START = 60.0
"""Seconds in which a server must answer."""
_STOP = 15.0
"""Seconds that it gets to end by itself."""
_POLL = 0.1


@dataclass(frozen=True)
class Place:
    """Where things are, and how many cores there are."""

    environments: Path
    models: Path
    """Folder with one model package."""
    model: str
    """Its name; the network is ``MODELS/MODEL/1/weights.onnx``."""
    cores: int
    cache: Path

    @property
    def network(self) -> Path:
        """The ONNX file."""
        return self.models / self.model / "1" / "weights.onnx"


Command = Callable[[Place], Sequence[str | Path]]
Count = Callable[[int], int]
"""From the number of cores."""


@dataclass(frozen=True)
class Server:
    """One of those that are compared."""

    command: Command
    """Without the port."""
    path: str | None = None
    """To send pictures to; None: the model's name and version."""


def _one(cores: int) -> int:
    return 1


def _three(cores: int) -> int:
    return 3


def _half(cores: int) -> int:
    return max(1, cores // 2)


def _all(cores: int) -> int:
    return cores


def _peer(
    environment: str, module: str, *options: str, workers: Count = _all, threads: Count = _one
) -> Server:
    def command(place: Place) -> list[str | Path]:
        return [
            setup.python(place.environments, environment),
            *("-m", f"bench.peers.{module}"),
            *("--model", place.network),
            *("--workers", str(workers(place.cores))),
            *("--threads", str(threads(place.cores))),
            *options,
        ]

    return Server(command, "/predict")


def _parallax(*options: str) -> Server:
    def command(place: Place) -> list[str | Path]:
        return [
            *(sys.executable, "-m", "parallax", "serve", "--redis-port", "0"),
            *("--models", place.models, "--cache-dir", place.cache),
            *options,
        ]

    return Server(command)


_PATIENCE = ("--timeout", "30000", "--address", "127.0.0.1", "--log-level", "warning")

SERVERS = {
    "fastapi": _peer("fastapi", "fastapi_server", workers=_half, threads=_three),
    "litserve": _peer("litserve", "litserve_server", threads=_half),
    "mosec": _peer("mosec", "mosec_server", *_PATIENCE),
    "mosec-stages": _peer("mosec", "mosec_stages", *_PATIENCE, threads=_all),
    "parallax": _parallax(),
    "parallax-exact": _parallax("--decode", "exact"),
}


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    pid: int
    port: int
    path: str
    ready: float
    """Seconds from its start to its first answer."""


@contextlib.contextmanager
def running(server: Server, place: Place, picture: bytes) -> Iterator[Running]:
    """Start a server, and leave nothing of it behind.

    Raises:
        LoadError: it ended, or did not answer in time.
    """
    port = _free_port()
    path = server.path or f"/{place.model}/1"
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*server.command(place), "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            _await(process, port, load.request(port, path, picture))
            yield Running(process.pid, port, path, time.monotonic() - started)
        except load.LoadError as problem:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()[-15:]
            raise load.LoadError("\n".join([str(problem), *lines])) from problem
        finally:
            stop(process)


def _await(process: subprocess.Popen[bytes], port: int, request: bytes) -> None:
    deadline, problem = time.monotonic() + _START, "nothing listens"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise load.LoadError(f"the server ended with {process.returncode}")
        try:
            load.first_answers(port, [request])
        except (OSError, load.LoadError) as refusal:
            problem = str(refusal)
            time.sleep(_POLL)
        else:
            return
    raise load.LoadError(f"no answer within {_START:.0f} s: {problem}")


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a process and whatever it started, also what it left in other sessions."""
    tree = process_tree.descendants(process.pid)
    for number, patience in ((signal.SIGTERM, _STOP), (signal.SIGINT, _STOP / 3)):
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline and _alive(tree):
        time.sleep(_POLL)
    for pid in _alive(tree):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if process_tree.descendants(pid)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
