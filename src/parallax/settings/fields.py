"""The settings dataclasses read once as a flat table of fields.

Command line, environment, file, ``--print-config`` and the README's table all walk this table, so
an option that is added to ``settings.concerns`` appears everywhere without a second edit.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from parallax.settings import concerns, options

ENVIRONMENT_PREFIX = "PARALLAX_"


class Kind(StrEnum):
    """What a value is made of."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    LIST = "list"


_KINDS: dict[object, Kind] = {
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
    tuple[str, ...]: Kind.LIST,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One option, and all the names it goes by."""

    section: str
    """Section of the TOML file, and attribute of ``Settings``."""
    name: str
    """Key within the section, and attribute of the concern."""
    kind: Kind
    default: Any
    option: options.Option

    @property
    def key(self) -> str:
        """Section and name, unique over all fields."""
        return f"{self.section}.{self.name}"

    @property
    def bare_flag(self) -> str:
        """The flag without its dashes."""
        return self.option.flag or self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """The flag as typed."""
        return f"--{self.bare_flag}"

    @property
    def no_flag(self) -> str:
        """The flag that switches a boolean off."""
        return f"--no-{self.bare_flag}"

    @property
    def environment(self) -> tuple[str, ...]:
        """Names of environment variables, strongest first."""
        own = ENVIRONMENT_PREFIX + self.bare_flag.replace("-", "_").upper()
        return (own, *self.option.env)

    def value_in(self, settings: concerns.Settings) -> Any:
        """Return this field's value."""
        return getattr(getattr(settings, self.section), self.name)


def _kind(annotation: object) -> Kind:
    if isinstance(annotation, types.UnionType):
        (annotation,) = (part for part in typing.get_args(annotation) if part is not types.NoneType)
    return _KINDS[annotation]


def _fields_of(section: str, concern: type) -> list[Field]:
    hints = typing.get_type_hints(concern)
    return [
        Field(
            section=section,
            name=member.name,
            kind=_kind(hints[member.name]),
            default=member.default,
            option=member.metadata[options.METADATA_KEY],
        )
        for member in dataclasses.fields(concern)
    ]


_CONCERNS: dict[str, type] = typing.get_type_hints(concerns.Settings)

SECTIONS: tuple[str, ...] = tuple(_CONCERNS)
FIELDS: tuple[Field, ...] = tuple(
    field for section, concern in _CONCERNS.items() for field in _fields_of(section, concern)
)
BY_KEY: dict[str, Field] = {field.key: field for field in FIELDS}


def build(values: dict[str, Any]) -> concerns.Settings:
    """Return settings with these values (by key), and defaults elsewhere."""
    built = {
        section: concern(
            **{f.name: values[f.key] for f in FIELDS if f.section == section and f.key in values}
        )
        for section, concern in _CONCERNS.items()
    }
    return concerns.Settings(**built)


def changed(settings: concerns.Settings, values: dict[str, Any]) -> concerns.Settings:
    """Return a copy of the settings with these values (by key) instead."""
    return build({field.key: field.value_in(settings) for field in FIELDS} | values)
