"""Named failures become lines on standard error and an exit code; others keep their traceback."""

import contextlib
import sys
from collections.abc import Iterable, Iterator

import click

from parallax.contract import errors

EXIT_FAILED = 1
EXIT_BAD_SETTING = 2


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Report a named failure of the block and exit."""
    try:
        yield
    except errors.SettingsError as failure:
        report(failure.message.splitlines())
        sys.exit(EXIT_BAD_SETTING)
    except errors.ParallaxError as failure:
        report(failure.message.splitlines())
        sys.exit(EXIT_FAILED)


def report(lines: Iterable[str]) -> None:
    """Write the lines to standard error, each with the program's name."""
    for line in lines:
        click.echo(f"parallax: {line}", err=True)
