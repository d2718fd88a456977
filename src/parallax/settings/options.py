"""What makes a dataclass field an option: its names outside, its bounds, its help.

One description serves the command line, the environment, the TOML file, ``--print-config`` and the
README's table, so that they cannot disagree.
"""

from dataclasses import MISSING, dataclass, field
from typing import Any

METADATA_KEY = "option"


@dataclass(frozen=True, slots=True)
class Option:
    """How a setting is called and what it accepts."""

    help: str
    """One sentence, with the unit."""
    flag: str | None = None
    """Flag without dashes where it differs from the field's name (``cpu-workers``)."""
    env: tuple[str, ...] = ()
    """Environment names besides ``PARALLAX_<FIELD>``, strongest first."""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    secret: bool = False
    """Never printed."""
    form: str = ""
    """What a text has to look like, by its name in ``settings.forms``; empty: anything."""


def option(default: Any = MISSING, **described: Any) -> Any:
    """Return a dataclass field that is an option; ``described`` are the fields of ``Option``."""
    return field(default=default, metadata={METADATA_KEY: Option(**described)})
