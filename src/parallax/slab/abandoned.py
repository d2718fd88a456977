"""Files and folders of servers that ended without tidying up.

Whoever owns one holds a lock on it, which the kernel drops with the process; so a name of ours that
can be locked belongs to nobody any more.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def find(directory: Path, prefix: str) -> Iterator[Path]:
    """Yield the paths in ``directory`` that begin with ``prefix`` and are locked by nobody."""
    for path in directory.glob(f"{prefix}*"):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # another user's, or gone in the meantime
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            yield path
        finally:
            os.close(handle)
