"""From what a user wrote to a checked value, or to words that say what is allowed.

Texts (command line, environment) and TOML values differ only in how the type is read; bounds,
choices and forms are checked in one place. Nothing here knows where a value came from.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from parallax.settings import fields, forms

_Raw = TypeVar("_Raw")

_BOOLEANS = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip


class Refused(ValueError):
    """A value that a field does not take; ``allowed`` says in words what it does take."""

    def __init__(self, value: object, allowed: str) -> None:
        super().__init__(f"{value!r} is not {allowed}")
        self.value = value
        self.allowed = allowed


def allowed(field: fields.Field) -> str:
    """Say in words which values the field takes."""
    option = field.option
    if option.choices:
        return "one of " + ", ".join(option.choices)
    if option.form:
        return forms.FORMS[option.form].allowed
    return _KIND_WORDS[field.kind] + _range(option.minimum, option.maximum)


def from_text(field: fields.Field, text: str) -> Any:
    """Read a value from the command line or the environment.

    Raises:
        Refused: the text is no such value, or not an allowed one.
    """
    return _read(field, _TEXT_READERS[field.kind], text)


def from_typed(field: fields.Field, value: object) -> Any:
    """Read a value that already has a type (TOML, click's switches and repeated options).

    Raises:
        Refused: wrong type, or not allowed.
    """
    return _read(field, _TYPED_READERS[field.kind], value)


def _read(field: fields.Field, reader: Callable[[_Raw], Any], raw: _Raw) -> Any:
    try:
        value = reader(raw)
    except (ValueError, OverflowError):
        raise Refused(raw, allowed(field)) from None
    return _checked(field, value)


def _range(minimum: float | None, maximum: float | None) -> str:
    if minimum is None and maximum is None:
        return ""
    if maximum is None:
        return f" of at least {minimum:g}"
    return f" from {minimum or 0:.7g} to {maximum:.7g}"


def _boolean_text(text: str) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


def _list_text(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _integer(value: object) -> int:
    # A bool is an int to Python, yet "port = true" is a mistake.
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(value)
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _list(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise ValueError(value)
    return tuple(_text(item) for item in value)


_TEXT_READERS: dict[fields.Kind, Callable[[str], Any]] = {
    fields.Kind.BOOLEAN: _boolean_text,
    fields.Kind.INTEGER: int,
    fields.Kind.NUMBER: float,
    fields.Kind.TEXT: str,
    fields.Kind.LIST: _list_text,
}
_TYPED_READERS: dict[fields.Kind, Callable[[object], Any]] = {
    fields.Kind.BOOLEAN: _boolean,
    fields.Kind.INTEGER: _integer,
    fields.Kind.NUMBER: _number,
    fields.Kind.TEXT: _text,
    fields.Kind.LIST: _list,
}
_KIND_WORDS: dict[fields.Kind, str] = {
    fields.Kind.BOOLEAN: "true or false",
    fields.Kind.INTEGER: "a whole number",
    fields.Kind.NUMBER: "a number",
    fields.Kind.TEXT: "a text of at least one character",
    fields.Kind.LIST: "a list of texts",
}


def _checked(field: fields.Field, value: Any) -> Any:
    if isinstance(value, int | float):
        _check_bounds(field, value)
    if isinstance(value, str):
        return _checked_text(field, value)
    if isinstance(value, tuple):
        return tuple(_checked_text(field, item) for item in value)
    return value


def _check_bounds(field: fields.Field, value: float) -> None:
    low, high = field.option.minimum, field.option.maximum
    beyond = (low is not None and value < low) or (high is not None and value > high)
    # Not-a-number compares false with everything, so it would pass both bounds.
    if beyond or math.isnan(value):
        raise Refused(value, allowed(field))


def _checked_text(field: fields.Field, text: str) -> str:
    option = field.option
    if option.choices:
        text = text.strip().lower()  # deployments write LOG_LEVEL=WARNING
    fits = text in option.choices if option.choices else _has_form(option.form, text)
    # What cannot be printed (control characters, bytes that were no UTF-8) could not be shown in
    # a message, nor be written to a file by --print-config.
    if not (text and text.isprintable() and fits):
        raise Refused(text, allowed(field))
    return text


def _has_form(form: str, text: str) -> bool:
    return not form or forms.FORMS[form].matches(text)
