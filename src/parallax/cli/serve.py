"""``parallax serve``: settings in, exit code out."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from parallax.cli import arguments, failures
from parallax.contract import errors
from parallax.settings import concerns, key_file, load, machine, render, resolve, sources


@arguments.settings_options()
@click.command()
@arguments.config_option
@click.option("--print-config", is_flag=True, help="Print the settings as TOML and exit.")
def command(config_path: Path | None, print_config: bool, **given: Any) -> None:
    """Serve models over HTTP until a signal says to stop.

    Without any model the built-in demo detector is served.
    """
    with failures.reported():
        environ = sources.environment()
        written = load.read(given, environ, config_path)
        settings = resolve.resolve(written.settings, machine.inspect(environ))
        if print_config:
            click.echo(render.to_toml(written.settings, written.origins, settings), nl=False)
            return
        key_file.collect(settings.http)
        failures.report([*written.notes, *key_file.remarks(settings.http)])
        from parallax.supervisor import run

        if not settings.workers.auto_tune:
            _check_unsaved(settings, written.origins)
            sys.exit(run.serve(settings))
        from parallax.supervisor import tune

        sys.exit(run.serve(settings, tune.Tuner(written.origins.keys())))


def _check_unsaved(settings: concerns.Settings, origins: Mapping[str, str]) -> None:
    if settings.workers.auto_tune_save is not None:
        named = origins["workers.auto_tune_save"]
        raise errors.SettingsError(f"{named}: there is nothing to save without --auto-tune")
