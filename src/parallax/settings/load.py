"""From everything a user wrote to one checked ``Settings``, or to a list of all that is wrong.

Order of strength: command line, environment, file, default. Only the value that wins is checked, so
a flag can repair what a deployment's environment got wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallax.contract import errors
from parallax.settings import concerns, fields, file, machine, masking, parse, resolve, sources


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was written, before the machine fills the gaps."""

    settings: concerns.Settings
    origins: Mapping[str, str]
    """Name of the source of each value, by field key; absent where it is the default."""
    notes: tuple[str, ...]
    """Remarks that stop nothing."""


def load(
    argv_values: Mapping[str, Any], environ: Mapping[str, str], config_path: Path | None
) -> concerns.Settings:
    """Return the settings to run with, completed for this machine.

    Raises:
        SettingsError: one line per wrong value or unknown name.
    """
    written = read(argv_values, environ, config_path)
    return resolve.resolve(written.settings, machine.inspect(environ))


def read(
    argv_values: Mapping[str, Any], environ: Mapping[str, str], config_path: Path | None
) -> Loaded:
    """Return the settings as written; values that depend on the machine may still be None.

    ``argv_values`` is by field name. Without ``config_path`` the file is the one that
    PARALLAX_CONFIG names, else ./parallax.toml if there is one.

    Raises:
        SettingsError: one line per wrong value or unknown name.
    """
    path = _file_path(environ, config_path)
    content = {} if path is None else file.read(path)
    problems = [] if path is None else list(file.problems_in(content, path))
    winners: dict[str, sources.Given] = {}
    if path is not None:
        winners |= _by_key(file.given_in(content, path))
    winners |= _by_key(sources.from_environment(environ))
    winners |= _by_key(sources.from_arguments(argv_values))
    values = _values(winners.values(), problems)
    if problems:
        raise errors.SettingsError("\n".join(problems))
    origins = {key: given.origin for key, given in winners.items()}
    return Loaded(fields.build(values), origins, tuple(sources.unknown_names(environ)))


def _file_path(environ: Mapping[str, str], config_path: Path | None) -> Path | None:
    if config_path is not None:
        return config_path
    named = environ.get(sources.CONFIG_VARIABLE, "").strip()
    if named:
        return Path(named)
    return file.DEFAULT_PATH if file.DEFAULT_PATH.is_file() else None


def _by_key(given: Iterable[sources.Given]) -> dict[str, sources.Given]:
    return {one.field.key: one for one in given}


def _values(given: Iterable[sources.Given], problems: list[str]) -> dict[str, Any]:
    """Return the checked values by key, and add a line to ``problems`` for each wrong one."""
    values: dict[str, Any] = {}
    for one in given:
        try:
            values[one.field.key] = _value(one)
        except parse.Refused as refused:
            problems.append(f"{one.origin}: {_shown(one, refused.value)} is not {refused.allowed}")
    return values


def _value(given: sources.Given) -> Any:
    if given.is_text:
        return parse.from_text(given.field, str(given.raw))
    return parse.from_typed(given.field, given.raw)


def _shown(given: sources.Given, value: object) -> str:
    option = given.field.option
    return repr(masking.hidden(str(value), option.form) if option.secret else value)
