"""Fused graphs kept between starts, by content, so that the work is done once per model.

A file is trusted only if its digest matches the one written beside it: a full disk or a killed
process may leave anything behind. Files appear whole or not at all, so several servers may share
the folder.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path


def find(folder: Path, key: str) -> Path | None:
    """Return the cached graph of a key; None when there is none or it is damaged."""
    path = _path(folder, key)
    try:
        expected = path.with_suffix(".sha256").read_text(encoding="ascii")
        with path.open("rb") as content:
            actual = hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, UnicodeDecodeError):
        return None
    return path if actual == expected.strip() else None


def store(folder: Path, key: str, graph: bytes) -> Path:
    """Keep a graph and return its path.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, key)
    digest = hashlib.sha256(graph).hexdigest()
    # The digest goes first: a graph without its digest would look damaged for ever to its
    # neighbour.
    _write(path.with_suffix(".sha256"), digest.encode("ascii"))
    _write(path, graph)
    return path


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.onnx"


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
