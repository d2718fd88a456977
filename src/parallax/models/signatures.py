"""Where packages may lie and whether their files changed: names and stat alone, nothing is opened.

A place is a bare ONNX file or a folder that holds files, wherever ``discovery.find`` may see a
package. Its signature changes whenever a file in it or below it does. Contents and inode numbers
are not in it, because on network mounts the one are slow and the other unstable.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

DEEPEST = 5
"""Levels of folders that are looked at; links may form circles."""


def scan(directories: Sequence[Path]) -> dict[str, str]:
    """Return the signature of each place by its path.

    Raises:
        OSError: a folder cannot be read; what is in it is then not known, rather than gone.
    """
    found: dict[str, str] = {}
    for directory in directories:
        if directory.is_file():
            found[str(directory)] = _signature([directory], ())
        else:
            _look_at_root(directory, found)
    return found


def around(path: Path) -> str:
    """Return the signature of an ONNX file and of what lies beside it and may describe it."""
    files, _ = _listed(path.parent)
    return _signature([path, *(each for each in files if each.suffix != ".onnx")], ())


def place_of(path: Path, directory: Path) -> str:
    """Return the place to which a path belongs that ``discovery.find`` found in ``directory``."""
    alone = path.suffix != ".onnx" or directory in (path, path.parent)
    return str(path if alone else path.parent)


def _look_at_root(directory: Path, found: dict[str, str]) -> None:
    files, folders = _listed(directory)
    bare = [path for path in files if path.suffix == ".onnx"]
    # What lies beside bare files may describe each of them.
    beside = [path for path in files if path.suffix != ".onnx"]
    for path in bare:
        found[str(path)] = _signature([path, *beside], ())
    if beside and not bare:
        found[str(directory)] = _signature(beside, ())
    for folder in folders:
        _look_at(folder, 1, found)


def _look_at(folder: Path, depth: int, found: dict[str, str]) -> str:
    try:
        files, folders = _listed(folder)
    except (PermissionError, FileNotFoundError, NotADirectoryError):
        return ""  # not ours to read, or gone since it was listed: no package either way
    below = [_look_at(each, depth + 1, found) for each in folders if depth < DEEPEST]
    signature = _signature(files, below)
    if files:
        found[str(folder)] = signature
    return signature


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the visible files and folders in a folder."""
    entries = sorted(path for path in folder.iterdir() if path.name[0] not in "._")
    return [path for path in entries if path.is_file()], [path for path in entries if path.is_dir()]


def _signature(files: Iterable[Path], below: Iterable[str]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for path in files:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # gone since it was listed
        # The change time catches a copy that keeps size and modification time.
        facts = (str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        total.update(repr(facts).encode())
    for signature in below:
        total.update(signature.encode())
    return total.hexdigest()
