"""A ``parallax serve`` of our own: started on a free port, and stopped in good order."""

import contextlib
import ctypes
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from parallax.bench import failures

_READY = re.compile(rb"^ready +(https?://\S+) ", re.MULTILINE)
_START = 600.0
"""Seconds until it must be ready; models may have to be prepared, each within its own limit."""
_STOP = 60.0
"""Seconds until it must have stopped; longer than it gives requests in flight."""
_KILLED = 5.0
_LOOK = 0.05
_PR_SET_PDEATHSIG = 1
_ASIDE = ("--port=0", "--redis-port=0", "--namespace=parallax-bench")
"""A server beside others on this machine: no port of theirs, and no work of theirs, should the
environment or ./parallax.toml name a broker that others use too. What a user says goes before."""


class Running:
    """A server process."""

    def __init__(self, process: subprocess.Popen[bytes], log: BinaryIO) -> None:
        self.process = process
        self.url = ""
        self._log = log

    def said(self) -> bytes:
        """Return all that it has written."""
        self._log.seek(0)
        return self._log.read()

    def last_words(self) -> str:
        """Return the last lines of it, indented."""
        return _tail(self.said())


@contextlib.contextmanager
def started(options: Sequence[str], tick: Callable[[], None]) -> Iterator[str]:
    """Run the server within the block; the value is its URL.

    Raises:
        BenchError: it ended before it was ready or before the block, or did not get ready; with
            what it said last.
    """
    with launched(options, tick) as running:
        yield running.url
        if running.process.poll() is not None:
            raise failures.BenchError(
                f"the server ended with code {running.process.returncode} while it was measured; "
                "there is no report. It said last:\n" + running.last_words()
            )


@contextlib.contextmanager
def launched(options: Sequence[str], tick: Callable[[], None]) -> Iterator[Running]:
    """Run the server within the block, in which it may end.

    Raises:
        BenchError: it ended before it was ready, or did not get ready; with what it said last.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*(sys.executable, "-m", "parallax", "serve"), *_ASIDE, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us; the server is stopped when we say so
            preexec_fn=_ending_with_parent(),  # noqa: PLW1509 - prctl alone
        )
        running = Running(process, log)
        try:
            running.url = _url(process, running.said, tick)
            yield running
        finally:
            _stop(process)


def _url(
    process: subprocess.Popen[bytes], said: Callable[[], bytes], tick: Callable[[], None]
) -> str:
    deadline = time.monotonic() + _START
    while not (match := _READY.search(said())):
        if process.poll() is not None:
            raise failures.BenchError("the server ended before it was ready:\n" + _tail(said()))
        if time.monotonic() > deadline:
            raise failures.BenchError("the server does not get ready:\n" + _tail(said()))
        tick()
        time.sleep(_LOOK)
    return match[1].decode()


def _tail(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return "\n".join(f"  {line}" for line in lines[-8:]) or "  (it said nothing)"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it by a signal; impatience (a second Ctrl-C) is passed on, and it ends at once."""
    try:
        process.terminate()
        process.wait(_STOP)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.terminate()  # a second one: it kills its children
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_KILLED)
    finally:
        if process.poll() is None:
            process.kill()  # its children end with it
        process.wait()


def _ending_with_parent() -> Callable[[], None] | None:
    """Return what asks the system to stop the server should this process be killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
