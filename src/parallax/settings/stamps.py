"""Tells that files were changed: what they hold is only read again then."""

import os

Stamp = tuple[tuple[int, int, int, int] | None, ...]


def of(*paths: str | None) -> Stamp:
    """Return what differs when one of the files was written, replaced, or made readable; None
    stands for one that is not named or not there."""
    return tuple(None if path is None else _one(path) for path in paths)


def _one(path: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
