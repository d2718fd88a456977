"""Values as Roboflow's files write them: objects as JSON texts, numbers as strings."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from parallax.models import description, files

_LONGEST_NUMBER = 6


def described(path: Path, **fields: object) -> description.Description:
    """Return the description with these fields, checked.

    Raises:
        ModelRefusedError: one has a value that is not allowed; names ``path`` as where it is from.
    """
    try:
        return msgspec.convert(fields, description.Description)
    except msgspec.ValidationError as problem:
        raise files.refused(path, str(problem)) from problem


def table(value: object, path: Path) -> dict[str, object]:
    """Return an object that may be absent, or a JSON text of an object.

    Raises:
        ModelRefusedError: it is something else.
    """
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        return files.parse_json(path, value)
    if not isinstance(value, dict):
        raise files.refused(path, f"expected an object, found {type(value).__name__}")
    return value


def items(value: object, path: Path) -> list[dict[str, object]]:
    """Return a list of objects that may be absent.

    Raises:
        ModelRefusedError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise files.refused(path, f"expected a list, found {type(value).__name__}")
    return [table(item, path) for item in value]


def enabled(value: object) -> bool:
    """Tell whether a switch is on, which may be a word."""
    return str(value).lower() in ("true", "1")


def side(value: object) -> int | None:
    """Return a number of pixels that may be written as text; None when it is no such number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if isinstance(value, bool) else str(value)
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else None


def numbered(names: Mapping[str, object]) -> tuple[str, ...] | None:
    """Return the values of a table whose keys count 0, 1, 2, ...; None when they do not."""
    if set(names) != {str(index) for index in range(len(names))}:
        return None
    return tuple(str(names[str(index)]) for index in range(len(names)))
