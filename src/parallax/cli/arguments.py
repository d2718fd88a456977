"""click options made from the settings' fields, so that no option is written by hand."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from parallax.settings import fields, render

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of settings.  [default: ./parallax.toml if it exists; env: PARALLAX_CONFIG]",
)


def settings_options(
    chosen: Iterable[fields.Field] = fields.FIELDS,
) -> Callable[[click.Command], click.Command]:
    """Return a decorator that gives a command an option per field."""

    def decorate(command: click.Command) -> click.Command:
        command.params = [*(to_option(field) for field in chosen), *command.params]
        return command

    return decorate


def to_option(field: fields.Field) -> click.Option:
    """Return the field as an option.

    Values stay texts: ``settings.load`` reads and checks them like those of the other sources.
    """
    boolean = field.kind is fields.Kind.BOOLEAN
    declaration = f"{field.flag}/{field.no_flag}" if boolean else field.flag
    described: dict[str, Any] = {} if boolean else {"type": str, "metavar": _metavar(field)}
    return click.Option(
        [declaration, field.name],
        default=None,
        multiple=field.option.repeatable,
        help=_help(field),
        **described,
    )


def _metavar(field: fields.Field) -> str:
    if field.option.choices:
        return "[" + "|".join(field.option.choices) + "]"
    return _METAVARS.get(field.option.form) or _METAVARS[field.kind]


_METAVARS: dict[str, str] = {
    "device": "DEVICE",
    "name": "NAME",
    "redis-url": "URL",
    "directory": "DIR",
    "host": "HOST",
    "api-key": "KEY",
    "origin": "ORIGIN",
    fields.Kind.INTEGER: "N",
    fields.Kind.NUMBER: "X",
    fields.Kind.TEXT: "TEXT",
    fields.Kind.LIST: "TEXT",
}


def _help(field: fields.Field) -> str:
    facts = [f"env: {', '.join(field.environment)}"]
    if field.default not in (None, ()):
        facts.insert(0, f"default: {render.literal(field.default)}")
    if field.option.repeatable:
        facts.append("repeatable")
    return f"{field.option.help}  [{'; '.join(facts)}]"
