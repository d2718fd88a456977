"""``parallax bench``: a plan made of options, and what came of it as tables, JSON and a page."""

import datetime
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec

from parallax.bench import result
from parallax.cli import failures
from parallax.settings import concerns, fields, load, machine, masking, sources

DEFAULT_CONCURRENCY = (1, 8, 32, 64)
EXIT_INTERRUPTED = 130


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers with commas between them, each over 0 and at most ``most``."""

    def __init__(self, kind: type[int] | type[float], most: int) -> None:
        self.kind = kind
        self.most = most
        self.name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            found = tuple(self.kind(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list such as 1,8,32", param, ctx)
        if not all(0 < number <= self.most for number in found):
            self.fail(
                f"{value!r}: every number must be over 0, and at most {self.most:,}", param, ctx
            )
        return found


_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)
_OLD = click.Path(path_type=Path, dir_okay=False, exists=True)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_SECONDS = click.FloatRange(0.1, 3600)


@click.command()
@click.argument("serve_args", nargs=-1, type=click.UNPROCESSED, metavar="[-- SERVE OPTIONS]")
@click.option("--url", metavar="URL", help="A running server.  [default: one is started]")
@click.option("--model", metavar="ID", help="Model to ask for.  [default: the server's first]")
@click.option(
    "--images", type=_FOLDER, metavar="DIR", help="Pictures to send.  [default: generated ones]"
)
@click.option(
    "--api",
    type=click.Choice(["roboflow", "raw", "v2"]),
    default="roboflow",
    show_default=True,
    help="roboflow: base64 in JSON; raw: the file itself, to POST /MODEL; v2: KServe V2 with a "
    "BYTES tensor, to compare other servers (parallax does not serve it yet).",
)
@click.option("--api-key", metavar="KEY", help="Key to send.")
@click.option(
    "--concurrency",
    type=Numbers(int, 8192),
    metavar="N,N,...",
    help="Closed loops: requests in flight.  [default: 1,8,32,64, or none with --rate]",
)
@click.option(
    "--rate",
    type=Numbers(float, 100_000),
    metavar="X,X,...",
    default=(),
    help="Open loops: requests per second, Poisson arrivals. "
    "Latency counts from when a request should have left.",
)
@click.option("--duration", type=_SECONDS, default=10.0, show_default=True, help="Seconds a phase.")
@click.option(
    "--warmup",
    type=click.FloatRange(0, 600),
    default=2.0,
    show_default=True,
    help="Seconds before each phase that do not count.",
)
@click.option(
    "--timeout",
    type=_SECONDS,
    default=10.0,
    show_default=True,
    help="Seconds after which a request without an answer is an error.",
)
@click.option(
    "--tell-timeout",
    is_flag=True,
    help="Send it to the server too (X-Request-Timeout), which then refuses what would be late.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Client processes.  [default: one for each 4 cores, at most 8]",
)
@click.option(
    "--ceiling",
    is_flag=True,
    help="Measure the stages alone too, before the load and after it. With --url, "
    "`-- --models DIR` says where the model is on this machine.",
)
@click.option("--json", "json_path", type=_FILE, metavar="FILE", help="Write the report as JSON.")
@click.option("--html", "html_path", type=_FILE, metavar="FILE", help="Write it as a page.")
@click.option(
    "--compare", "old_path", type=_OLD, metavar="FILE", help="Print ratios to an earlier --json."
)
def command(
    json_path: Path | None, html_path: Path | None, old_path: Path | None, **given: Any
) -> None:
    """Measure a server: how many pictures per second, how late, and what that costs.

    Without --url, `parallax serve` is started on a free port with the options after --, and stopped
    at the end. Exits with 1 if any request was answered wrongly or not at all.
    """
    _check(given, json_path, html_path)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    with failures.reported():
        from parallax.bench import compare

        old = compare.load(old_path) if old_path else None
        settings = settings_of(given["serve_args"])
        try:
            report = _run(given, settings)
        except KeyboardInterrupt:
            failures.report(["stopped before the end; there is no report"])
            sys.exit(EXIT_INTERRUPTED)
    _show(report, old)
    with failures.reported():
        _write(report, json_path, html_path)
    if any(phase.errors or not phase.answered for phase in report.phases):
        sys.exit(failures.EXIT_FAILED)


def _check(given: dict[str, Any], *paths: Path | None) -> None:
    """Find out before the measurement what would spoil it at the end."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise click.UsageError(f"{path}: there is no folder {path.parent}")
    if given["url"] is not None and given["serve_args"] and not given["ceiling"]:
        raise click.UsageError(
            "options after -- are for a server that is started, or for --ceiling; with --url "
            "there is neither"
        )


def interrupt(number: int, frame: FrameType | None) -> None:
    """Take a signal for Ctrl-C."""
    raise KeyboardInterrupt


def settings_of(serve_args: tuple[str, ...]) -> concerns.Settings:
    """Return what ``parallax serve`` would make of its options, so that mistakes show at once."""
    from parallax.cli import serve

    context = serve.command.make_context("parallax serve", list(serve_args))
    values = dict(context.params)
    config_path = values.pop("config_path")
    del values["print_config"]
    return load.load(values, sources.environment(), config_path)


def _run(given: dict[str, Any], settings: concerns.Settings) -> result.Report:
    from parallax.bench import plan, progress, run

    cpus = machine.inspect(sources.environment()).cpus
    rates = given["rate"]
    loops = given["concurrency"] or (() if rates else DEFAULT_CONCURRENCY)
    asked = plan.Plan(
        loads=plan.loads(list(loops), list(rates)),
        timing=plan.Timing(given["warmup"], given["duration"], given["timeout"]),
        api=given["api"],
        url=given["url"],
        serve_args=list(given["serve_args"]),
        shown_args=_masked(given["serve_args"]),
        model=given["model"],
        images=given["images"],
        key=given["api_key"]
        or (None if given["url"] else next(iter(settings.http.api_keys), None)),
        tell_timeout=given["tell_timeout"],
        clients=given["clients"] or plan.client_processes(cpus),
        ceiling_models=[Path(folder) for folder in settings.models.models],
        device=next(iter(settings.workers.devices), None),
    )
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with progress.Progress() as shown:
        return run.run(asked, started, cpus, shown, _ceiling() if given["ceiling"] else None)


def _ceiling() -> Any:
    from parallax.bench import ceiling

    return ceiling.measure


def _write(report: result.Report, json_path: Path | None, html_path: Path | None) -> None:
    from parallax.bench import failures as bench_failures
    from parallax.bench import page

    try:
        if json_path is not None:
            json_path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        if html_path is not None:
            html_path.write_text(page.render(report), encoding="utf-8")
    except OSError as problem:
        raise bench_failures.BenchError(f"{problem.filename}: {problem.strerror}") from problem


def _show(report: result.Report, old: result.Report | None) -> None:
    from parallax.bench import compare, table

    out = table.console_for(sys.stdout)
    table.show(report, out)
    if old is None:
        return
    table.print_rows(out, f"Now / then ({old.started})", compare.rows(old, report))
    for warning in compare.warnings(old, report):
        out.print(f"warning: {warning}", soft_wrap=True, markup=False)


def _masked(serve_args: tuple[str, ...]) -> list[str]:
    """Return the options without keys and passwords: a report is there to be shown."""
    secret = {field.flag: field.option.form for field in fields.FIELDS if field.option.secret}
    shown: list[str] = []
    for before, argument in zip(("", *serve_args), serve_args, strict=False):
        flag, equals, value = argument.partition("=")
        if before in secret:
            shown.append(masking.hidden(argument, secret[before]))
        elif equals and flag in secret:
            shown.append(f"{flag}={masking.hidden(value, secret[flag])}")
        else:
            shown.append(argument)
    return shown
