"""The TOML file: sections are concerns, keys are fields, and nothing else may stand there."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parallax.contract import errors
from parallax.settings import fields, sources

DEFAULT_PATH = Path("parallax.toml")


def read(path: Path) -> dict[str, Any]:
    """Return the file's content.

    Raises:
        SettingsError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise errors.SettingsError(f"{path}: cannot be read: {problem.strerror}") from problem
    except (ValueError, RecursionError) as problem:  # too many digits or brackets, as well
        raise errors.SettingsError(f"{path}: is not valid TOML: {problem}") from problem


def given_in(content: dict[str, Any], path: Path) -> Iterator[sources.Given]:
    """Yield the file's values for the fields that exist."""
    for section, name, raw in _entries(content):
        field = fields.BY_KEY.get(f"{section}.{name}")
        if field is not None:
            yield sources.Given(field, f"{path}: [{section}] {name}", raw, is_text=False)


def problems_in(content: dict[str, Any], path: Path) -> Iterator[str]:
    """Yield a line for each thing in the file that is no option."""
    for name, value in content.items():
        if name not in fields.SECTIONS:
            yield f"{path}: {_unknown_top(name, value)}"
        elif not isinstance(value, dict):
            yield f"{path}: {name} is a section: write [{name}] and its keys below it"
    for section, name, _ in _entries(content):
        if f"{section}.{name}" not in fields.BY_KEY:
            yield f"{path}: [{section}] {name} is not an option{_hint(section, name)}"


def _entries(content: dict[str, Any]) -> Iterator[tuple[str, str, object]]:
    for section, keys in content.items():
        if section in fields.SECTIONS and isinstance(keys, dict):
            for name, raw in keys.items():
                yield section, name, raw


def _unknown_top(name: str, value: object) -> str:
    if not isinstance(value, dict):
        return f"{name} stands outside of any section{_hint('', name)}"
    likely = sources.nearest(name, fields.SECTIONS)
    known = ", ".join(f"[{section}]" for section in fields.SECTIONS)
    return f"[{name}] is not a section" + (
        f"; did you mean [{likely}]?" if likely else f"; there are {known}"
    )


def _hint(section: str, name: str) -> str:
    """Name the likeliest option: first of the same section, then of the others."""
    here = {field.name for field in fields.FIELDS if field.section == section}
    everywhere = {field.name: field.section for field in fields.FIELDS}
    written = name.replace("-", "_")
    likely = sources.nearest(written, here) or sources.nearest(written, everywhere)
    if likely is None:
        return ""
    return (
        f"; did you mean {likely}?"
        if likely in here
        else (f"; did you mean [{everywhere[likely]}] {likely}?")
    )
