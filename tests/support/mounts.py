"""File systems that are small enough to be filled."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


class Small:
    """A tmpfs of its own; ``fill`` leaves no room in it, ``free`` gives it back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        handle = os.open(self._ballast, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        with contextlib.suppress(OSError):
            while True:
                os.write(handle, bytes(1 << 12))
        os.close(handle)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink()


@contextlib.contextmanager
def small(megabytes: int) -> Iterator[Small]:
    """Mount a small tmpfs; the test is skipped where that is not allowed."""
    with tempfile.TemporaryDirectory(prefix="small", dir="/tmp") as directory:
        what = ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", directory)
        try:
            done = subprocess.run(what, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"mounting needs rights that this user has not: {done.stderr.strip()}")
        try:
            yield Small(Path(directory))
        finally:
            subprocess.run(("umount", "-l", directory), check=True)
