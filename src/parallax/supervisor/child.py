"""How a child process starts, speaks, and is seen to end. The only place that knows.

Two kinds share one face. Stage workers run as one long call in a single-process
``ProcessPoolExecutor`` each: a killed process breaks its whole executor and fails what else is in
it (measured), so no two slots may share one. Api processes and inference loops are plain processes.
All come from the fork server, which has imported the heavy modules once.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import Any, Protocol, TypeVar

import msgspec

from parallax.aio import lifeline as lifelines
from parallax.aio import signals
from parallax.contract import lifeline
from parallax.observe import stderr

log = logging.getLogger(__name__)

_decoder = msgspec.msgpack.Decoder(lifeline.FromChild)
_encoder = msgspec.msgpack.Encoder()

T = TypeVar("T")

_context = multiprocessing.get_context("forkserver")


class Line:
    """The supervisor's end of a lifeline; hands on what the child says until the child is gone."""

    def __init__(self, hear: Callable[[lifeline.FromChild], None]) -> None:
        self._hear = hear
        # Message boundaries make a send all or nothing, so a child that does not read cannot block
        # us.
        self._end, self.child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._end.setblocking(False)
        asyncio.get_running_loop().add_reader(self._end, self._read)

    def say(self, message: lifeline.ToChild) -> None:
        """Tell the child something. A child that does not listen misses it; deadlines cover
        that."""
        with contextlib.suppress(OSError):
            self._end.send(_encoder.encode(message))

    def close(self) -> None:
        """Stop listening; the child, if it still lives, sees end-of-file and exits."""
        if self._end.fileno() >= 0:
            while self._read():  # its last words
                pass
            asyncio.get_running_loop().remove_reader(self._end)
            self._end.close()

    def _read(self) -> bool:
        """Hand on one message; say whether there was one."""
        try:
            data = self._end.recv(lifelines.MESSAGE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._hear(_decoder.decode(data))
        else:
            asyncio.get_running_loop().remove_reader(self._end)
        return bool(data)


class Child(Protocol):
    """A started process."""

    @property
    def pid(self) -> int:
        """Process id."""
        ...

    @property
    def line(self) -> Line:
        """Its lifeline."""
        ...

    async def ended(self) -> str:
        """Wait until the process is gone and reaped; say how it ended."""
        ...


Launcher = Callable[[Callable[[lifeline.FromChild], None]], Child]
"""Starts a child that is heard by the given function."""


class ProcessChild:
    """A process of its own: ``target(child_end, *args)``."""

    def __init__(
        self,
        hear: Callable[[lifeline.FromChild], None],
        target: Callable[..., None],
        args: tuple[Any, ...],
    ) -> None:
        self.line = Line(hear)
        _ensure_fork_server()
        with self.line.child_end as child_end:
            self._process = _context.Process(target=target, args=(child_end, *args), daemon=True)
            self._process.start()
        self._pid = self._process.pid or 0

    @property
    def pid(self) -> int:
        """Process id, also after the end, when the process object no longer tells."""
        return self._pid

    async def ended(self) -> str:
        """Wait for the exit; return the signal or status."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(self._process.sentinel, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        status = self._process.exitcode or 0
        self._process.close()
        self.line.close()
        return _death(status) if status < 0 else f"exit status {status}"


class ExecutorChild:
    """The one process of a single-process executor: ``attach(child_end)``, then ``run(*args)``."""

    def __init__(
        self,
        hear: Callable[[lifeline.FromChild], None],
        attach: Callable[[socket.socket], None],
        run: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self.line = Line(hear)
        _ensure_fork_server()
        before = set(multiprocessing.active_children())
        with self.line.child_end as child_end:
            self._executor = ProcessPoolExecutor(
                1, mp_context=_context, initializer=attach, initargs=(child_end,)
            )
            self._call = self._executor.submit(run, *args)
        started = set(multiprocessing.active_children()) - before
        self._process = next(iter(started), None)
        self._pid = (self._process.pid if self._process else None) or 0

    @property
    def pid(self) -> int:
        """Process id."""
        return self._pid

    @property
    def call(self) -> "asyncio.Future[Any]":
        """What the call returns or raises."""
        return asyncio.wrap_future(self._call)

    async def ended(self) -> str:
        """Wait for the call to return or the process to die."""
        try:
            await self.call
            how = "finished"
        except BrokenProcessPool:
            how = ""
        except Exception as problem:  # noqa: BLE001 - whatever the worker raised ended it
            how = f"{type(problem).__name__}: {problem}"
        await asyncio.to_thread(self._executor.shutdown, wait=True)
        self.line.close()
        return how or _death(self._process.exitcode if self._process else None)


async def call(function: Callable[..., T], *args: Any, patience: float) -> T:
    """Return what a function returns in a process of its own, which does not outlive the call.

    Raises:
        BrokenProcessPool: the process died.
        TimeoutError: it took longer than ``patience`` seconds, and was killed.
    """
    child = ExecutorChild(lambda _: None, _follow, function, args)
    answer = child.call
    try:
        await asyncio.wait({answer}, timeout=patience)
        if not answer.done():
            raise TimeoutError
        result: T = answer.result()
        return result
    finally:
        if not answer.done():
            kill(child.pid)
            answer.cancel()
        await child.ended()


def _follow(end: socket.socket) -> None:
    """Initializer of a process that has nothing to say: only end when the supervisor is gone."""
    stderr.never_wait()
    signals.leave_to_supervisor()
    lifelines.Lifeline(end).listen(lambda _: None)


def _death(status: int | None) -> str:
    """Say which signal ended a process, if its exit status tells."""
    return f"killed by {_signal_name(-status)}" if status is not None and status < 0 else "died"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def kill(pid: int) -> None:
    """Kill a child that does not end by itself."""
    with contextlib.suppress(ProcessLookupError):
        if pid > 0:
            os.kill(pid, signal.SIGKILL)


def preload(modules: list[str]) -> None:
    """Have the fork server import these modules, so that children share their memory."""
    multiprocessing.set_forkserver_preload(modules)
    # Otherwise every child runs the console script again, as its ``__mp_main__``: that imports the
    # command line after the fork and costs each worker 12 MB of its own (measured).
    vars(sys.modules["__main__"]).pop("__file__", None)
    _ensure_fork_server()


def _ensure_fork_server() -> None:
    """Start the fork server if there is none (the first, or one that was killed).

    It inherits what is ignored: a SIGTERM to the whole group must not end it before us.
    """
    before, known = signal.signal(signal.SIGTERM, signal.SIG_IGN), _fork_server_pid()
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGTERM, before)
    if known is not None and known != _fork_server_pid():
        log.error("the fork server died; all its processes start again")


def _fork_server_pid() -> int | None:
    """Return the pid of the last fork server; the library keeps it, and does not tell it."""
    pid: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
    return pid
