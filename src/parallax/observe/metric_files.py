"""The files that processes count in: one set per slot, with room on the disk.

The library's multiprocess mode names files by pid and keeps those with counts for ever, so that
with every restart a scrape would have more to read. Here a process goes on in the files of its
predecessor in the same slot: they do not grow in number, and no count goes back. Two must not write
the same file, so a slot's name is locked while its process lives. If the predecessor is not quite
gone (its fork server was killed, and it was taken for dead), the successor waits a moment, then
counts in files of its own.

The files are mapped and sparse: on a disk that is full by then, the first count that needs another
page ends the process with a SIGBUS. So their pages are allocated while there is room.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterable

from prometheus_client import multiprocess, values

from parallax.contract.topology import Role
from parallax.settings import sources

log = logging.getLogger(__name__)

ROOM = 1 << 20
"""Bytes of a file when the library makes it. Some thousand counts fit; few servers have more."""

PATIENCE = 1.0
"""Seconds that a predecessor gets to be gone."""
_STEP = 0.01

_owner = ""
"""In the names of this process's files; empty while it shares none."""


def adopt(role: Role, slot: int) -> None:
    """Count in the files of a slot. To be called before any metric is made."""
    global _owner  # noqa: PLW0603 - a process counts for one slot, all its life
    if place := _directory():
        _owner = _claim(place, _name(role, slot))
        values.ValueClass = values.MultiProcessValue(lambda: _owner)  # type: ignore[no-untyped-call]


def reserve(kinds: Iterable[str]) -> bool:
    """Allocate this process's files; say whether there was room for them.

    ``kinds`` is what it counts, as the library names its files: ``counter``, ``gauge_livesum``.
    """
    try:
        for kind in kinds if _owner else ():
            _allocate(f"{_directory()}/{kind}_{_owner}.db")
    except OSError as problem:
        log.warning("no room for metrics, of which this process may die: %s", problem)
        return False
    return True


def forget(role: Role, slot: int, pid: int) -> None:
    """Drop what was true only while a process lived, and would be added up for ever."""
    for name in (_name(role, slot), _beside(_name(role, slot), pid)):
        multiprocess.mark_process_dead(name, _directory())  # type: ignore[no-untyped-call]


def _directory() -> str | None:
    """Return where the files are; None: this process shows its own metrics only."""
    return sources.environment().get("PROMETHEUS_MULTIPROC_DIR")


def _name(role: Role, slot: int) -> str:
    return f"{role.value}-{slot}"


def _claim(place: str, name: str) -> str:
    """Return a name for files that nobody else writes: the one wanted, if it is free."""
    with contextlib.suppress(OSError):  # a full disk
        handle = os.open(f"{place}/{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + PATIENCE
        while not (locked := _lock(handle)) and time.monotonic() < deadline:
            time.sleep(_STEP)
        if locked:
            return name  # the handle stays open, and with it the lock
        os.close(handle)
    return _beside(name, os.getpid())


def _lock(handle: int) -> bool:
    """Take a record lock: it ends with this process, and what is forked from it has no part."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _beside(name: str, pid: int) -> str:
    return f"{name}-{pid}"


def _allocate(path: str) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(handle, 0, ROOM)
    finally:
        os.close(handle)
