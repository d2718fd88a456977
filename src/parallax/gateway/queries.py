"""Reading the query of a request: its parameters, their leniencies, and what a violation says."""

import functools
import typing
import urllib.parse
from typing import TypeVar

import msgspec

from parallax.gateway import problems, violations

Q = TypeVar("Q", bound=msgspec.Struct)

_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("false", "0", "no", "off", "f", "n"), False),
}


def parse(kind: type[Q], query_string: bytes) -> Q:
    """Return the checked query; parameters that are not known are ignored.

    Raises:
        InvalidBodyError: one that is known is wrong, or given twice.
    """
    types = _types(kind)
    given: dict[str, object] = {}
    pairs = urllib.parse.parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    for name, text in pairs:
        if name not in types:
            continue
        if name in given:
            raise problems.InvalidBodyError("Given more than once", ("query", name))
        given[name] = _BOOLEANS.get(text.lower(), text) if _is_boolean(types[name]) else text
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as problem:
        raise violations.violation(str(problem), "query") from None


@functools.cache
def _types(kind: type[msgspec.Struct]) -> dict[str, object]:
    """Return the type of each parameter; finding it out takes longer than the rest of a request."""
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def _is_boolean(kind: object) -> bool:
    return bool in (kind, *typing.get_args(kind))
