"""Reading a package's small files, and keeping what they name inside the package.

A file that only *names* another one (labels, external weights) comes from whoever made the package,
who may be someone else than the person who runs the server; so such names may not lead out of the
folder, neither by ``..`` nor through a symbolic link.
"""

from pathlib import Path

import msgspec

from parallax.contract import errors

_MAX_BYTES = 4 << 20
"""Longest side file that is read; real ones have a few kilobytes."""


def refused(path: Path, reason: str) -> errors.ModelRefusedError:
    """Return the error that says which file cannot be served, and why."""
    return errors.ModelRefusedError(f"{path}: {reason}")


def inside(folder: Path, name: str, named_by: Path, blobs: Path | None = None) -> Path:
    """Return the file called ``name`` within ``folder``, links followed.

    Args:
        folder: the package's folder.
        name: as it is written in ``named_by``.
        named_by: the file that names it, for the message.
        blobs: a folder that links may lead into, too.

    Raises:
        ModelRefusedError: it lies elsewhere or does not exist.
    """
    try:
        target = (folder / name).resolve()
        exists = target.is_file()
    except (OSError, ValueError) as problem:
        raise refused(named_by, f"cannot open {name!r}, which it names: {problem}") from problem
    homes = (folder, blobs) if blobs else (folder,)
    if not any(target.is_relative_to(home.resolve()) for home in homes):
        raise refused(named_by, f"names {name!r}, which lies outside of the package's folder")
    if not exists:
        raise refused(named_by, f"names {name!r}, which does not exist")
    return target


def read_text(path: Path, limit: int = _MAX_BYTES) -> str:
    """Return the content of a small UTF-8 file.

    Raises:
        ModelRefusedError: it cannot be read, is not UTF-8, or is longer than ``limit`` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise refused(path, f"longer than {limit} bytes")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise refused(path, f"cannot be read: {problem}") from problem


def read_json(path: Path) -> dict[str, object]:
    """Return the object in a JSON file.

    Raises:
        ModelRefusedError: no such object in it.
    """
    return parse_json(path, read_text(path))


def parse_json(path: Path, text: str) -> dict[str, object]:
    """Return the object in a JSON text that was found in ``path``.

    Raises:
        ModelRefusedError: no such object in it.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise refused(path, f"no valid JSON object: {problem}") from problem


def read_json_list(path: Path) -> list[object]:
    """Return the list in a JSON file.

    Raises:
        ModelRefusedError: no such list in it.
    """
    try:
        return msgspec.json.decode(read_text(path), type=list[object])
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise refused(path, f"no valid JSON list: {problem}") from problem


def read_lines(path: Path) -> tuple[str, ...]:
    """Return the lines of a file without the blank ones at its end.

    Raises:
        ModelRefusedError: it cannot be read, or has a blank line between others.
    """
    lines = [line.strip() for line in read_text(path).rstrip().splitlines()]
    if not all(lines):
        raise refused(path, f"line {lines.index('') + 1} is blank; each line names one class")
    return tuple(lines)
