"""``model.toml``: what a person writes beside a model. Checked strictly, because a misspelt key
that is ignored would show as wrong boxes much later.
"""

import difflib
import re
import tomllib
import typing
from pathlib import Path

import msgspec

from parallax.models import description, files

_MAX_BYTES = 1 << 20
"""A thousand labels with colours and thresholds take some 100 kB."""
_MAX_STEPS = 1 << 22
"""Of finding tables by the parts of their keys: a key of n parts takes n² of them, and each line
below a heading of n parts takes n."""


def read(path: Path, folder: Path) -> description.Said:
    """Read a ``model.toml``.

    Args:
        path: the file.
        folder: the package's folder; a ``labels`` file must lie in it.

    Raises:
        ModelRefusedError: not TOML, an unknown key, or a value that is not allowed; says which.
    """
    try:
        content = tomllib.loads(_parseable(path))
    except (ValueError, RecursionError) as problem:
        raise files.refused(path, f"not valid TOML: {problem}") from problem
    if "architecture" in content:
        raise files.refused(path, "unknown key `architecture`; the family has the key `family`")
    taken = [path]
    labels = content.get("labels")
    if isinstance(labels, str):
        taken.append(files.inside(folder, labels, path))
        content["labels"] = list(files.read_lines(taken[1]))
    if isinstance(content.get("keypoints"), dict):
        content["keypoints"] = [content["keypoints"]]
    try:
        described = msgspec.convert(_in_lower_case(content), description.Description)
    except msgspec.ValidationError as problem:
        raise files.refused(path, _plain_words(str(problem))) from problem
    if described.task is not None:
        task = description.task(described.task, path)
        described = msgspec.structs.replace(described, task=task)
    return description.Said(described, tuple(taken))


def _parseable(path: Path) -> str:
    """Return the text of a file, unless ``tomllib`` would take very long over its keys."""
    text = files.read_text(path, _MAX_BYTES)
    # No key goes on in the next line, so it has fewer parts than its line has dots, and one more.
    dots = [line.count(".") for line in text.split("\n")]
    if sum(count * count for count in dots) + len(dots) * max(dots) > _MAX_STEPS:
        raise files.refused(
            path, f"a line with {max(dots)} dots; give a key fewer parts, or a list more lines"
        )
    return text


def _words(table: type[msgspec.Struct]) -> dict[str, tuple[str, ...]]:
    """Return the words that are allowed for each key that takes one of a few."""
    found = {}
    for key, kind in typing.get_type_hints(table).items():
        for choice in typing.get_args(kind):
            if typing.get_origin(choice) is typing.Literal:
                found[key] = typing.get_args(choice)
    return found


_WORDS = {**_words(description.Description), **_words(description.InputDescription)}
_TABLES: dict[str, type[msgspec.Struct]] = {
    "": description.Description,
    "input": description.InputDescription,
    "batching": description.BatchingDescription,
    "thresholds": description.ThresholdsDescription,
    "keypoints": description.KeypointsDescription,
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`$", re.DOTALL)
_WRONG_KIND = re.compile(r"Expected `([a-z |]+)`, got `(\w+)`$")
_OUT_OF_RANGE = re.compile(r"Expected `(\w+)` (>=|<=|>|<) (\S+)$")
_WRONG_LENGTH = re.compile(r"Expected `array` of length (\d+), got (\d+)$")
_RANGES = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}


def _in_lower_case(content: dict[str, object]) -> dict[str, object]:
    """Return the content with the words of the keys that take one of a few in lower case."""
    lowered = dict(content)
    for key, value in content.items():
        if isinstance(value, str) and key in _WORDS:
            lowered[key] = value.lower()
        elif isinstance(value, dict) and key == "input":
            lowered[key] = _in_lower_case(value)
    return lowered


def _plain_words(message: str) -> str:
    """Return what msgspec says of a value in the words of the file."""
    place = _PLACE.search(message)
    where = place.group(1) if place is not None else ""
    if place is not None:
        message = message[: place.start()]
    table, key = _table_and_key(where)
    unknown = _UNKNOWN.match(message)
    if unknown is not None:
        return _unknown(unknown.group(1), where)
    expected = _expected(message, key.partition("[")[0])
    start = " ".join(part for part in (f"[{table}]" if table else "", key) if part)
    return f"{start}: {expected}" if start else expected


def _table_and_key(where: str) -> tuple[str, str]:
    head, _, rest = where.replace("[...]", "").partition(".")
    table = head.partition("[")[0]
    return (table, rest) if table in _TABLES and (rest or table != "keypoints") else ("", head)


def _expected(message: str, key: str) -> str:
    wrong_kind = _WRONG_KIND.match(message)
    if wrong_kind is not None:
        kinds = [kind for kind in wrong_kind.group(1).split(" | ") if kind != "null"]
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds)
        given = _KINDS.get(wrong_kind.group(2), wrong_kind.group(2))
        return f"expected {wanted}, got {given}"
    outside = _OUT_OF_RANGE.match(message)
    if outside is not None:
        kind, how, bound = outside.groups()
        return f"expected {_KINDS.get(kind, kind)} {_RANGES[how]} {float(bound):.10g}"
    length = _WRONG_LENGTH.match(message)
    if length is not None:
        return f"expected a list of {length.group(1)} values, got {length.group(2)}"
    return _other(message, key)


def _other(message: str, key: str) -> str:
    if message.startswith("Expected `str` matching regex"):
        return "expected a colour like #ff8000"
    if message == "Expected `str` of length >= 1":
        return "expected a text that is not empty"
    if message.startswith("Invalid enum value"):
        known = _WORDS.get(key)
        given = message.removeprefix("Invalid enum value ")
        return f"{given} is not allowed" + (f" (one of {', '.join(known)})" if known else "")
    return message


def _unknown(key: str, where: str) -> str:
    table = where.partition("[")[0]
    kind = _TABLES.get(table)
    near = difflib.get_close_matches(key, kind.__struct_fields__, 1) if kind is not None else []
    inside = f" in [{table}]" if table else ""
    return f"unknown key `{key}`{inside}" + (f"; did you mean {near[0]}?" if near else "")
