"""The settings as a TOML file that says of each value what it means and who set it.

What ``--print-config`` prints can be saved and given back with ``--config``.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from parallax.settings import concerns, fields, masking, parse


def to_toml(
    settings: concerns.Settings, origins: Mapping[str, str], resolved: concerns.Settings
) -> str:
    """Return all settings as TOML with comments.

    Values that nobody set and that depend on the machine stay comments, with what they come to
    here: so a printed file still fits another machine.
    """
    return "\n".join(_lines(settings, origins, resolved)) + "\n"


def _lines(
    settings: concerns.Settings, origins: Mapping[str, str], resolved: concerns.Settings
) -> Iterator[str]:
    for section in fields.SECTIONS:
        if section != fields.SECTIONS[0]:
            yield ""
        yield f"[{section}]"
        for field in (field for field in fields.FIELDS if field.section == section):
            yield f"# {describe(field)}" + _origin(field, origins)
            yield _assignment(field, field.value_in(settings), field.value_in(resolved))


def describe(field: fields.Field) -> str:
    """Return what the field means and takes, in one line."""
    help_line = field.option.help
    if field.kind is fields.Kind.TEXT and not (field.option.choices or field.option.form):
        return help_line  # any text will do
    each = "each " if field.kind is fields.Kind.LIST else ""
    return f"{help_line} ({each}{parse.allowed(field)})"


def literal(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML's basic strings escape like JSON's; only printable text gets into settings.
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return repr(value)


def shown(field: fields.Field, value: Any) -> Any:
    """Return the value as it may be seen by others."""
    if not (field.option.secret and value):
        return value
    if isinstance(value, tuple):
        return tuple(masking.hidden(each, field.option.form) for each in value)
    return masking.hidden(value, field.option.form)


def _origin(field: fields.Field, origins: Mapping[str, str]) -> str:
    return f" [set by {origins[field.key]}]" if field.key in origins else ""


def _assignment(field: fields.Field, value: Any, here: Any) -> str:
    if value in (None, ()) and here in (None, ()):
        return f"# {field.name} ="
    if value in (None, ()):
        return f"# {field.name} = {literal(here)}"
    return f"{field.name} = {literal(shown(field, value))}"
