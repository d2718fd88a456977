"""The slab's file: made, locked, sized and removed by the supervisor.

A plain file in a tmpfs, because before Python 3.13 the resource tracker of ``shared_memory``
unlinks segments that other processes still use. Its pages are allocated at once: a full tmpfs is an
error at the start and not a SIGBUS in the middle of a request.
"""

import errno
import fcntl
import os
import tempfile
from pathlib import Path

from parallax.contract import errors
from parallax.slab import abandoned
from parallax.slab import layout as layouts

PREFIX = "parallax-slab-"


class SlabFile:
    """An exclusive slab file in ``directory``; remove it with ``unlink``."""

    def __init__(self, directory: str, layout: layouts.SlabLayout) -> None:
        remove_stale(directory)
        try:
            # Not named after the process id: containers that share a tmpfs share those as well.
            self._fd, self.path = tempfile.mkstemp(prefix=PREFIX, dir=directory)
        except OSError as problem:
            raise errors.StartupError(
                f"cannot create shared memory in {directory}: {problem.strerror}"
            ) from problem
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._allocate(directory, layout.size)

    def unlink(self) -> None:
        """Remove the file; mappings of it stay valid until they are closed."""
        Path(self.path).unlink(missing_ok=True)
        os.close(self._fd)

    def _allocate(self, directory: str, size: int) -> None:
        free = _free_bytes(directory)
        try:
            if size > free:
                raise OSError(errno.ENOSPC, "too small")
            os.posix_fallocate(self._fd, 0, size)
        except OSError as problem:
            self.unlink()
            raise errors.StartupError(
                f"{directory} is too small: the tensor slab needs {_mib(size)} MiB and"
                f" {_mib(free)} MiB are free; enlarge it (docker run --shm-size=1g), or use fewer"
                f" --cpu-workers or --slab-slots"
            ) from problem


def remove_stale(directory: str) -> None:
    """Remove slab files whose supervisor no longer lives."""
    for path in abandoned.find(Path(directory), PREFIX):
        path.unlink(missing_ok=True)


def _free_bytes(directory: str) -> int:
    try:
        stats = os.statvfs(directory)
    except OSError as problem:
        raise errors.StartupError(
            f"cannot use {directory} for shared memory: {problem.strerror}"
        ) from problem
    return stats.f_bavail * stats.f_frsize


def _mib(size: int) -> int:
    return -(-size // (1 << 20))
