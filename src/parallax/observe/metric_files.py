"""Room on the disk for what a process counts.

The files of prometheus-client's multiprocess mode are mapped and sparse: on a disk that is full by
then, the first count that needs another page ends the process with a SIGBUS. So their pages are
allocated while there is room.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from parallax.settings import sources

log = logging.getLogger(__name__)

ROOM = 1 << 20
"""Bytes of a file when the library makes it. Some thousand counts fit; few servers have more."""


def reserve(kinds: Iterable[str]) -> bool:
    """Allocate this process's files; say whether there was room for them.

    ``kinds`` is what it counts, as the library names its files: ``counter``, ``gauge_livesum``.
    """
    directory = sources.environment().get("PROMETHEUS_MULTIPROC_DIR")
    try:
        for kind in kinds if directory else ():
            _allocate(Path(str(directory)) / f"{kind}_{os.getpid()}.db")
    except OSError as problem:
        log.warning("no room for metrics, of which this process may die: %s", problem)
        return False
    return True


def _allocate(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(handle, 0, ROOM)
    finally:
        os.close(handle)
