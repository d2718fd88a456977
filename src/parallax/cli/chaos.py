"""``parallax chaos``: a server under load, with its parts killed; what came of it as a table."""

import datetime
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from parallax.chaos import plan
from parallax.cli import bench, failures

_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)
_MARGIN = 15.0
"""Seconds beyond the server's own limit until a client gives a request up."""
_SEEDS = 1_000_000


class Names(click.ParamType[tuple[str, ...]]):
    """Faults with commas between them."""

    name = "NAME,NAME,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names."""
        if not isinstance(value, str):
            return tuple(value)
        names = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
        for name in names:
            if name not in plan.NAMES:
                self.fail(f"{name!r} is none of: {', '.join(plan.NAMES)}", param, ctx)
        return names


@click.command()
@click.argument("serve_args", nargs=-1, type=click.UNPROCESSED, metavar="[-- SERVE OPTIONS]")
@click.option(
    "--minutes",
    type=click.FloatRange(0.05, 10_000),
    default=3.0,
    show_default=True,
    help="How long the load lasts.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="Decides which fault comes when.  [default: a new one]",
)
@click.option(
    "--faults",
    type=Names(),
    default=plan.NAMES,
    help=f"Faults to choose from.  [default: all: {', '.join(plan.NAMES)}]",
)
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=8.0,
    show_default=True,
    help="Seconds between two faults, at least.",
)
@click.option(
    "--clients", type=click.IntRange(1, 1024), default=24, show_default=True, help="Connections."
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 100_000),
    metavar="X",
    help="Requests per second.  [default: a third of what the server can do]",
)
@click.option("--url", metavar="URL", help="A running server.  [default: one is started]")
@click.option(
    "--pid",
    type=click.IntRange(1),
    metavar="N",
    help="Supervisor of the server at --url.  [default: as it says]",
)
@click.option(
    "--model", default="demo", show_default=True, metavar="ID", help="The demo model at --url."
)
@click.option("--api-key", metavar="KEY", help="Key to send.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    metavar="S",
    help=f"Seconds until a request is lost.  [default: {_MARGIN:g} more than the server's own]",
)
@click.option("--json", "json_path", type=_FILE, metavar="FILE", help="Write the report as JSON.")
def command(json_path: Path | None, **given: Any) -> None:
    """Kill, stop and starve parts of a server under load, and account for every request.

    Without --url, `parallax serve` is started on a free port with the options after --, and stopped
    at the end. A server at --url must run on this machine; its processes are killed. Exits with 1
    if any request was lost, answered wrongly, twice or with an error, or if anything was left
    behind.
    """
    _check(given, json_path)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, bench.interrupt)
    with failures.reported():
        asked = _plan(given)
        try:
            report = _run(asked)
        except KeyboardInterrupt:
            failures.report(["stopped before the end; there is no report"])
            sys.exit(bench.EXIT_INTERRUPTED)
        if json_path is not None:
            _write(report, json_path)
    _show(report)
    if report.failures:
        sys.exit(failures.EXIT_FAILED)
    if report.interrupted:
        sys.exit(bench.EXIT_INTERRUPTED)


def _check(given: dict[str, Any], path: Path | None) -> None:
    if not sys.platform.startswith("linux"):
        raise click.UsageError("chaos looks into /proc, which only Linux has")
    if path is not None and not path.parent.is_dir():
        raise click.UsageError(f"{path}: there is no folder {path.parent}")
    if given["url"] is not None and given["serve_args"]:
        raise click.UsageError("options after -- are for a server that is started; --url names one")
    if given["url"] is None and given["pid"] is not None:
        raise click.UsageError("--pid is for the server at --url")


def _plan(given: dict[str, Any]) -> plan.Plan:
    settings = bench.settings_of(given["serve_args"])
    own_shm = any(word.startswith("--shm-dir") for word in given["serve_args"])
    key = given["api_key"]
    if given["url"] is None:
        key = key or next(iter(settings.http.api_keys), None)
    seed = given["seed"]
    return plan.Plan(
        minutes=given["minutes"],
        seed=secrets.randbelow(_SEEDS) if seed is None else seed,
        faults=list(given["faults"]),
        every=given["every"],
        clients=given["clients"],
        rate=given["rate"],
        timeout=given["timeout"] or settings.limits.timeout + _MARGIN,
        url=given["url"],
        pid=given["pid"],
        key=key,
        model=given["model"],
        serve_args=list(given["serve_args"]),
        shm_dir=Path(settings.slab.shm_dir) if own_shm else None,
    )


def _run(asked: plan.Plan) -> Any:
    from parallax.bench import progress
    from parallax.chaos import run

    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with progress.Progress() as shown:
        return run.run(asked, started, shown)


def _write(report: Any, path: Path) -> None:
    from parallax.bench import failures as bench_failures

    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    except OSError as problem:
        raise bench_failures.BenchError(f"{problem.filename}: {problem.strerror}") from problem


def _show(report: Any) -> None:
    from parallax.bench import table as tables
    from parallax.chaos import table

    table.show(report, tables.console_for(sys.stdout))
