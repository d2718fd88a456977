"""Standard error must not be able to stop the server.

Whoever reads it may be slow, stopped (Ctrl-S), or gone, and a file system may be full. A write that
waits for that would hold up an event loop and all of its requests, and one that fails would end
whatever wanted to be said; losing lines is the lesser evil.
"""

import contextlib
import io
import os
import stat
import sys
from typing import Any

DESCRIPTOR = 2


def never_wait() -> None:
    """Let standard error lose what cannot be written at once. To be called by each process."""
    unblock(DESCRIPTOR)
    sys.stderr = io.TextIOWrapper(
        _Lossy(DESCRIPTOR), encoding="utf-8", errors="backslashreplace", write_through=True
    )


def unblock(descriptor: int) -> None:
    """Let writes to a pipe, terminal or socket fail where they would wait.

    A pipe or terminal is opened a second time for that: the description that we were given may be
    shared with processes that do not expect it to change.
    """
    kind = os.fstat(descriptor).st_mode
    with contextlib.suppress(OSError):  # then it stays as it is
        if stat.S_ISSOCK(kind):
            os.set_blocking(descriptor, False)
        elif os.get_blocking(descriptor) and (stat.S_ISFIFO(kind) or stat.S_ISCHR(kind)):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
            os.dup2(own, descriptor)
            os.close(own)


class _Lossy(io.RawIOBase):
    """Writes to a descriptor, and takes what does not fit for written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        """Say that it may be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def write(self, data: Any, /) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, data)
        return memoryview(data).nbytes
