"""``parallax models``: what a directory of models holds, and why something in it is not served."""

import json
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from parallax.cli import arguments, failures
from parallax.contract import spec
from parallax.settings import fields, load, sources

_PREPARING = ("models.cache_dir", "batching.max_batch", "batching.max_delay_ms")
_LISTING = tuple(fields.BY_KEY[key] for key in ("models.models", *_PREPARING))
_CHECKING = tuple(fields.BY_KEY[key] for key in _PREPARING)


@click.group()
def command() -> None:
    """List or check the models of a directory."""


@arguments.settings_options(_LISTING)
@command.command(name="ls")
@click.option("--json", "as_json", is_flag=True, help="Print the models as JSON.")
@arguments.config_option
def list_models(as_json: bool, config_path: Path | None, **given: Any) -> None:
    """List the models that `parallax serve` would serve."""
    from parallax.cli import report

    with failures.reported():
        found = _prepare(given, config_path)
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(model) for model in found.specs]))
    else:
        report.print_models(found.specs, found.notes)
    failures.report(f"{path}: {reason}" for path, reason in found.refused)
    if found.refused:
        sys.exit(failures.EXIT_FAILED)


@arguments.settings_options(_CHECKING)
@command.command(name="check")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@arguments.config_option
def check_models(path: Path, config_path: Path | None, **given: Any) -> None:
    """Say what PATH, an .onnx file or a directory, would be served as.

    Exits with 1 and the reasons if something there cannot be served.
    """
    from parallax.cli import report

    directory = path if path.is_dir() else path.parent
    with failures.reported():
        found = _prepare({**given, "models": (str(directory),)}, config_path)
    specs = [model for model in found.specs if _is_within(model.source, path)]
    refused = [(source, why) for source, why in found.refused if _is_within(source, path)]
    own = tuple(f"{model.id}: " for model in specs)
    report.print_check(specs, [note for note in found.notes if note.startswith(own)])
    failures.report(f"{source}: {reason}" for source, reason in refused)
    if not specs and not refused:
        failures.report([f"{path}: there is no model here"])
    if refused or not specs:
        sys.exit(failures.EXIT_FAILED)


def _is_within(source: str | Path, path: Path) -> bool:
    """Tell a model that was asked about from its neighbours and from the built-in demo.

    As the paths are written, because a package's weights may be a link to elsewhere; or as the
    links lead, because the path that was given may be one.
    """
    seen = (Path.absolute, Path.resolve)
    return any(of(Path(source)).is_relative_to(of(path)) for of in seen)


def _prepare(given: dict[str, Any], config_path: Path | None) -> spec.Catalog:
    from parallax.models import catalog

    return catalog.from_settings(load.load(given, sources.environment(), config_path))
