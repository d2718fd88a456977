"""Puts values into a TOML file of settings and leaves the rest of it, comments too, as it is.

The text is changed line by line, and what comes out is read again: a file written in a way that
this does not understand is left alone, rather than spoiled.
"""

import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parallax.contract import errors
from parallax.settings import file, render

_TABLE = re.compile(r"\s*\[")
_NEW_MODE = 0o666


def check(path: Path) -> None:
    """Find out whether values can be put into the file; it need not exist.

    Raises:
        SettingsError: it cannot be read, is not TOML, holds what is no setting, or neither it nor
            its folder can be written to.
    """
    text = _text(path)
    if text is not None:
        problems = list(file.problems_in(file.read(path), path))
        if problems:
            raise errors.SettingsError("\n".join(problems))
    folder = path.resolve().parent
    if not folder.is_dir():
        raise errors.SettingsError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK) or (text is not None and not os.access(path, os.W_OK)):
        raise errors.SettingsError(f"{path}: cannot be written")


def write(path: Path, values: Mapping[str, int]) -> None:
    """Put the values, by key, into the file, which is replaced as a whole or not at all.

    Raises:
        SettingsError: it cannot be read, changed or written.
    """
    text = _text(path)
    try:
        _replace(path.resolve(), amended(text or "", values))
    except ValueError as problem:
        raise errors.SettingsError(f"{path}: cannot be changed: {problem}") from problem
    except OSError as problem:
        raise errors.SettingsError(f"{path}: cannot be written: {problem.strerror}") from problem


def amended(text: str, values: Mapping[str, int]) -> str:
    """Return the text of a TOML file with these values, by key, in it.

    Raises:
        ValueError: it is not TOML, or its sections are not written as ``[section]`` and lines of
            ``name = value``.
    """
    wanted = _with(tomllib.loads(text), values)
    lines = text.splitlines()
    for key, value in values.items():
        section, _, name = key.partition(".")
        _put(lines, section, name, render.literal(value))
    changed = "\n".join(lines) + "\n"
    try:
        found = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        found = None
    if found != wanted:
        raise ValueError("write its sections as [section], and each value on a line of its own")
    return changed


def _put(lines: list[str], section: str, name: str, value: str) -> None:
    header = re.compile(rf"\s*\[\s*{section}\s*\]\s*(#.*)?")
    start = next((at for at, line in enumerate(lines) if header.fullmatch(line)), None)
    if start is None:
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        start = len(lines) - 1
    end = next((at for at in range(start + 1, len(lines)) if _TABLE.match(lines[at])), len(lines))
    assignment = re.compile(rf"(\s*{name}\s*=\s*)[^#]*?(\s*#.*)?")
    for at in range(start + 1, end):
        match = assignment.fullmatch(lines[at])
        if match:
            lines[at] = f"{match[1]}{value}{match[2] or ''}"
            return
    lines.insert(start + 1, f"{name} = {value}")


def _with(content: dict[str, Any], values: Mapping[str, int]) -> dict[str, Any]:
    for key, value in values.items():
        section, _, name = key.partition(".")
        content = content | {section: content.get(section, {}) | {name: value}}
    return content


def _text(path: Path) -> str | None:
    """Return the file's text; None: there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise errors.SettingsError(f"{path}: cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise errors.SettingsError(f"{path}: is not valid TOML: {problem}") from problem


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        temporary.chmod(_mode(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int:
    """Return the permissions of the file, or those that a new one would get."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return _NEW_MODE & ~mask
