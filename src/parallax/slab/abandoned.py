"""Files and folders of servers that ended without tidying up.

Whoever owns one holds a lock on it, which the kernel drops with the process; so a name of ours that
can be locked belongs to nobody any more. Anybody may make such names where these lie: so those of
other users are left alone, and what is neither a file nor a folder, since opening a pipe may take
for ever.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from parallax.contract import errors

_ATTEMPTS = 20
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def find(directory: Path, prefix: str) -> Iterator[Path]:
    """Yield the paths in ``directory`` that begin with ``prefix`` and are locked by nobody."""
    for path in directory.glob(f"{prefix}*"):
        try:
            handle = os.open(path, _FLAGS)
        except OSError:
            continue  # another user's, a link, or gone in the meantime
        try:
            if _may_be_ours(os.fstat(handle)) and _locked(handle):
                yield path
        finally:
            os.close(handle)


def claim(make: Callable[[], tuple[int, Path]]) -> tuple[int, Path]:
    """Return the descriptor and the path of what ``make`` makes, locked.

    Another start may take it for forgotten in the moment before it is locked; then it is made anew.

    Raises:
        StartupError: that happened again and again.
        OSError: it cannot be made.
    """
    for attempt in range(_ATTEMPTS):
        try:
            handle, path = make()
        except FileNotFoundError:
            if attempt + 1 == _ATTEMPTS:
                raise
            continue
        if _locked(handle) and os.fstat(handle).st_nlink:
            return handle, path
        os.close(handle)
    raise errors.StartupError("what this start makes is removed at once by other starts; try again")


def _may_be_ours(found: os.stat_result) -> bool:
    kind = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return kind and found.st_uid == os.geteuid()


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
