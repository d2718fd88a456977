"""The client processes of one phase: they begin together, and are watched to the end."""

import contextlib
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import msgspec

from parallax.bench import arrivals, client, failures, plan, tally

_START = 60.0
"""Seconds in which a client must be ready: it starts an interpreter and reads its pictures."""
_SOON = 0.05
"""Seconds from the word to begin until the beginning, so that all of them have heard it."""
_REST = 10.0
"""Seconds after all deadlines of a client in which it must have written what it found."""
_TICK = 0.2

Tick = Callable[[], None]
"""Called now and then while there is nothing to do but to wait."""


class Crowd:
    """Runs ``python -m parallax.bench.client`` for each order, inside a ``with`` block."""

    def __init__(self, orders: Sequence[tally.Order]) -> None:
        self._orders = orders
        self._processes: list[subprocess.Popen[bytes]] = []
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> "Crowd":
        """Start them all; they wait for the word.

        Raises:
            BenchError: one of them died or did not get ready.
        """
        try:
            for order in self._orders:
                self._processes.append(self._spawn())
                self._hand(self._processes[-1], order)
            self._receive(time.monotonic() + _START, lambda: None, len(client.READY))
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave none of them behind."""
        self._kill()

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [process.pid for process in self._processes]

    def begin(self) -> float:
        """Say when to begin, and return that moment (monotonic)."""
        start = time.monotonic() + _SOON
        for process in self._processes:
            assert process.stdin is not None
            with self._blaming(process):
                process.stdin.write(client.MOMENT.pack(start))
        return start

    def gather(self, deadline: float, tick: Tick) -> list[tally.Outcome]:
        """Wait for what they found.

        Raises:
            BenchError: one of them died, or had not ended ``_REST`` after ``deadline``.
        """
        found = self._receive(deadline + _REST, tick, None)
        return [msgspec.msgpack.decode(each, type=tally.Outcome) for each in found]

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", client.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
        )

    def _hand(self, process: subprocess.Popen[bytes], order: tally.Order) -> None:
        assert process.stdin is not None
        data = msgspec.msgpack.encode(order)
        with self._blaming(process):
            for piece in (client.LENGTH.pack(len(data)), data):
                left = memoryview(piece)
                while left:
                    left = left[process.stdin.write(left) :]

    @contextlib.contextmanager
    def _blaming(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as problem:
            raise self._died(process) from problem

    def _receive(self, deadline: float, tick: Tick, length: int | None) -> list[bytes]:
        """Return what each writes: ``length`` bytes, or all until it ends with 0."""
        found: list[list[bytes]] = [[] for _ in self._processes]
        with selectors.DefaultSelector() as selector:
            for index, process in enumerate(self._processes):
                assert process.stdout is not None
                selector.register(process.stdout, selectors.EVENT_READ, index)
            while selector.get_map():
                if time.monotonic() > deadline:
                    raise failures.BenchError("a client process does not answer in time")
                for key, _ in selector.select(_TICK):
                    process = self._processes[key.data]
                    assert process.stdout is not None
                    piece = process.stdout.read(length or 1 << 20)
                    found[key.data].append(piece)
                    if length or not piece:
                        selector.unregister(key.fileobj)
                        self._check(process, piece, length)
                tick()
        return [b"".join(pieces) for pieces in found]

    def _check(self, process: subprocess.Popen[bytes], piece: bytes, length: int | None) -> None:
        if length is not None and len(piece) == length:
            return
        if length is not None or process.wait(_REST) != 0:
            raise self._died(process)

    def _died(self, process: subprocess.Popen[bytes]) -> failures.BenchError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_REST)
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return failures.BenchError(
            f"a client process (pid {process.pid}) died with code {process.returncode}{said}; "
            "what it sent is lost, so there is no result"
        )

    def _kill(self) -> None:
        for process in self._processes:
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                with contextlib.suppress(OSError):
                    stream.close()
            if process.poll() is None:
                process.kill()
            process.wait()
        self._complaints.close()


def orders(order: tally.Order, processes: int) -> list[tally.Order]:
    """Divide the load of an order among client processes; none is left without a request."""
    load = order.load
    parts = [part for part in arrivals.shares(load.concurrency, processes) if part]
    rate = None if load.rate is None else load.rate / len(parts)
    return [
        msgspec.structs.replace(order, load=plan.Load(part, rate), seed=order.seed + index)
        for index, part in enumerate(parts)
    ]
