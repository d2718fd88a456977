"""A private directory for the broker's socket and the metrics files, removed at the end.

Like the slab's file it is locked by its supervisor, so that a later start can tell a forgotten one.
"""

import os
import shutil
import tempfile
from pathlib import Path

from parallax.slab import abandoned

PREFIX = "parallax-run-"


class RunDir:
    """A fresh directory under the system's temporary directory, readable by this user only."""

    def __init__(self) -> None:
        root = Path(tempfile.gettempdir())
        for forgotten in abandoned.find(root, PREFIX):
            shutil.rmtree(forgotten, ignore_errors=True)
        self._lock, self.path = abandoned.claim(lambda: _make(root))

    def subdirectory(self, name: str) -> Path:
        """Make a directory in it."""
        made = self.path / name
        made.mkdir()
        return made

    def remove(self) -> None:
        """Remove it with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _make(root: Path) -> tuple[int, Path]:
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path
