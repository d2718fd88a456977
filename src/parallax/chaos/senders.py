"""The sending process as its starter sees it: what it says goes into the ledger, in a thread."""

import contextlib
import subprocess
import sys
import tempfile
import threading
from types import TracebackType

import msgspec

from parallax.bench import failures
from parallax.chaos import ledger, sender

_CHECK = 300.0
"""Seconds in which all pictures must have been asked for once."""
_REST = 30.0
"""Seconds beyond a request's patience in which the process must have ended."""
_events = msgspec.json.Decoder(ledger.Event)
_finals = msgspec.json.Decoder(sender.Final)


class Senders:
    """Runs ``python -m parallax.chaos.sender`` inside a ``with`` block."""

    def __init__(self, order: sender.Order, book: ledger.Ledger) -> None:
        self._order = order
        self._book = book
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes]
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._thread = threading.Thread(target=self._listen, name="ledger", daemon=True)
        self._final: sender.Final | None = None

    def __enter__(self) -> "Senders":
        """Start it; it begins with the check."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", sender.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind."""
        self._hush()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._thread.is_alive():
            self._thread.join(_REST)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()

    def check(self) -> sender.Ready:
        """Return what the check found.

        Raises:
            BenchError: the process died, or the check took too long.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(_CHECK, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(msgspec.json.encode(self._order) + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        if not line:
            raise self._died()
        return msgspec.json.decode(line, type=sender.Ready)

    def begin(self) -> None:
        """Let it send."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()
        self._thread.start()

    def stop(self) -> int:
        """Let it send no more, wait for all answers, and return how many requests it sent.

        Raises:
            BenchError: it died, so its book is not complete.
        """
        self._hush()
        self._thread.join(self._order.timeout + _REST)
        if self._final is None:
            raise self._died()
        return self._final.sent

    def mark(self, at: float) -> ledger.Mark:
        """See ``Ledger.mark``."""
        with self._lock:
            return self._book.mark(at)

    def _hush(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"["):
                event = _events.decode(line)
                with self._lock:
                    self._book.add(event)
            elif line.endswith(b"\n"):
                self._final = _finals.decode(line)

    def _died(self) -> failures.BenchError:
        self._process.kill()
        self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return failures.BenchError(
            f"the sending process ended with code {self._process.returncode}{said}; "
            "its book is not complete, so there is no result"
        )
