"""The slab's file: made, locked, sized and removed by the supervisor.

A plain file in a tmpfs, because before Python 3.13 the resource tracker of ``shared_memory``
unlinks segments that other processes still use. Pages are allocated before they are used: a full
tmpfs is an error at the start (or the refusal of a model that comes later) and not a SIGBUS in the
middle of a request. What is laid out beyond that costs no memory.
"""

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from parallax.contract import errors
from parallax.slab import abandoned
from parallax.slab import layout as layouts

PREFIX = "parallax-slab-"


class SlabFile:
    """An exclusive slab file in ``directory``; remove it with ``unlink``.

    Of each slot of arena ``i`` the first ``needed[i]`` bytes can be used; by default all.
    """

    def __init__(
        self, directory: str, layout: layouts.SlabLayout, needed: Sequence[int] | None = None
    ) -> None:
        remove_stale(directory)
        self._directory = directory
        self._layout = layout
        self._reserved = [0] * len(layout.arenas)
        try:
            # Not named after the process id: containers that share a tmpfs share those as well.
            self._fd, path = abandoned.claim(lambda: _make(directory))
        except OSError as problem:
            raise errors.StartupError(
                f"cannot create shared memory in {directory}: {problem.strerror}"
            ) from problem
        self.path = str(path)
        self._begin([arena.slot_bytes for arena in layout.arenas] if needed is None else needed)

    def unlink(self) -> None:
        """Remove the file; mappings of it stay valid until they are closed."""
        Path(self.path).unlink(missing_ok=True)
        os.close(self._fd)

    def reserve(self, needed: Sequence[int]) -> bool:
        """Make sure that the first ``needed[i]`` bytes of each slot of arena ``i`` can be used.

        Returns:
            False if there is no room for that; what could be used before still can.
        """
        if self._lacking(needed) > _free_bytes(self._directory):
            return False
        try:
            for index, size in enumerate(needed):
                self._reserve_slots(index, size)
        except OSError:
            return False
        self._reserved = [max(pair) for pair in zip(self._reserved, needed, strict=True)]
        return True

    def _begin(self, needed: Sequence[int]) -> None:
        head = self._layout.data_offset(0)
        total = head + self._lacking(needed)
        free = _free_bytes(self._directory)
        try:
            if total > free:
                raise OSError(errno.ENOSPC, "too small")
            os.posix_fallocate(self._fd, 0, head)
            os.ftruncate(self._fd, self._layout.size)
            if not self.reserve(needed):
                raise OSError(errno.ENOSPC, "too small")
        except OSError as problem:
            self.unlink()
            raise errors.StartupError(
                f"{self._directory} is too small: the tensor slab needs {_mib(total)} MiB and"
                f" {_mib(free)} MiB are free; enlarge it (docker run --shm-size=1g), or use fewer"
                f" --cpu-workers or --slab-slots"
            ) from problem

    def _lacking(self, needed: Sequence[int]) -> int:
        """Return how many bytes are still to be allocated."""
        grown = zip(self._layout.arenas, self._reserved, needed, strict=True)
        return sum(arena.slots * max(0, now - before) for arena, before, now in grown)

    def _reserve_slots(self, index: int, size: int) -> None:
        arena, before = self._layout.arenas[index], self._reserved[index]
        if size <= before:
            return
        first, last = (self._layout.slot_offset(index, slot) for slot in (0, arena.slots))
        stride = (last - first) // arena.slots
        for offset in range(first, last, stride):
            os.posix_fallocate(self._fd, offset + before, size - before)


def _make(directory: str) -> tuple[int, Path]:
    handle, path = tempfile.mkstemp(prefix=PREFIX, dir=directory)
    return handle, Path(path)


def remove_stale(directory: str) -> None:
    """Remove slab files whose supervisor no longer lives."""
    for path in abandoned.find(Path(directory), PREFIX):
        path.unlink(missing_ok=True)


def total_bytes(directory: str) -> int:
    """Return the size of the file system on which a directory lies.

    Raises:
        StartupError: there is no such directory.
    """
    stats = _stats(directory)
    return stats.f_blocks * stats.f_frsize


def _free_bytes(directory: str) -> int:
    stats = _stats(directory)
    return stats.f_bavail * stats.f_frsize


def _stats(directory: str) -> os.statvfs_result:
    try:
        return os.statvfs(directory)
    except OSError as problem:
        raise errors.StartupError(
            f"cannot use {directory} for shared memory: {problem.strerror}"
        ) from problem


def _mib(size: int) -> int:
    return -(-size // (1 << 20))
