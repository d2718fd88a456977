"""A report as lines and tables for a person; what a figure is called is said here alone."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich import box, console, table

from parallax.bench import result

Rows = list[list[str]]

_PIPED_WIDTH = 120

_KINDS = ("api", "pre", "infer", "post", "broker", "supervisor", "other")
"""Kinds of processes in the order of the table: that of the route, then what serves them."""


def name(phase: result.Phase) -> str:
    """Return what a person calls the load of a phase."""
    return f"{phase.concurrency} in flight" if phase.rate is None else f"{phase.rate:g}/s"


def line(phase: result.Phase) -> str:
    """Return the phase in one line."""
    latency = phase.latency_ms
    return (
        f"{name(phase)}: {phase.images_per_s:.1f} images/s, p50 {_ms(latency.p50)} ms, "
        f"p99 {_ms(latency.p99)} ms, {errors(phase)}"
    )


def errors(phase: result.Phase) -> str:
    """Return the errors by kind."""
    shown = ", ".join(f"{count} {kind}" for kind, count in phase.errors.items())
    return f"errors: {shown}" if shown else "no errors"


def facts(report: result.Report) -> list[str]:
    """Return what was measured, where and with what."""
    machine, target, pictures = report.machine, report.target, report.pictures
    where = "started for this" if target.started_here else target.url
    options = f" ({' '.join(target.serve_args)})" if target.serve_args else ""
    return [
        f"server    {where}{options}, model {target.model}, api {target.api}",
        f"pictures  {pictures.count}, {', '.join(pictures.sizes)}, "
        f"{pictures.mean_bytes / 1000:.0f} KB in the mean",
        f"machine   {machine.cpus} x {machine.cpu_model}, {machine.memory_mb / 1000:.0f} GB, "
        f"{machine.os}, Python {machine.python}, parallax {report.parallax}",
        *(ceiling(report.ceiling) if report.ceiling else ()),
    ]


def ceiling(found: result.Ceiling) -> Iterator[str]:
    """Yield what the machine could do with the stages alone."""
    runs = ", ".join(f"{run:.1f}" for run in found.runs)
    yield (
        f"ceiling   {found.images_per_s:.1f} images/s with the stages alone "
        f"(runs: {runs}), {found.arrangement}"
    )
    stages = ", ".join(f"{stage} {ms:.2f}" for stage, ms in found.stages_ms.items())
    yield f"          {found.binds} binds; ms per image on one core: {stages}"


def speed(report: result.Report) -> Rows:
    """Return how fast it was, a row per phase; the first row is the head."""
    top = report.ceiling.images_per_s if report.ceiling else 0.0
    head = ["load", "images/s", *(["of ceiling"] if top else [])]
    rows = [[*head, "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "errors"]]
    for phase in report.phases:
        latency = phase.latency_ms
        times = (latency.p50, latency.p90, latency.p99, latency.p999)
        share = [f"{phase.images_per_s / top:.2f}"] if top else []
        shown = "" if not phase.errors else errors(phase).removeprefix("errors: ")
        rows.append(
            [name(phase), f"{phase.images_per_s:.1f}", *share, *map(_ms, times), shown or "none"]
        )
    return rows


def cost(report: result.Report) -> Rows:
    """Return what it took, a row per phase; the first row is the head."""
    seen = {kind for phase in report.phases for kind in phase.cpu_ms_per_image}
    kinds = [kind for kind in _KINDS if kind in seen] + sorted(seen - set(_KINDS))
    rows = [["load", "batch", *(["server", *kinds] if kinds else []), "client", "share", "PSS MB"]]
    for phase in report.phases:
        spent = phase.cpu_ms_per_image
        server = [sum(spent.values()), *(spent.get(kind, 0.0) for kind in kinds)] if kinds else []
        rows.append(
            [
                name(phase),
                "" if phase.mean_batch is None else f"{phase.mean_batch:.1f}",
                *(f"{ms:.2f}" for ms in server),
                f"{phase.client.cpu_ms_per_image:.2f}",
                f"{100 * phase.client.share_of_cores:.1f}%",
                "" if phase.pss_mb is None else f"{phase.pss_mb:.0f}",
            ]
        )
    return rows


def warnings(report: result.Report) -> list[str]:
    """Return what makes figures doubtful."""
    behind = [name(phase) for phase in report.phases if phase.client.fell_behind]
    silent = [name(phase) for phase in report.phases if not phase.answered]
    found = []
    if behind:
        found.append(
            f"the clients fell behind at {', '.join(behind)}: the server was asked later than "
            "it should have been, and the clients' own delay is in the latency; "
            "try more --clients, or run them on another machine"
        )
    found += [
        f"at {name(phase)} {phase.client.held:,} requests waited in the clients, because "
        f"{phase.concurrency:,} were in flight; the wait is in the latency"
        for phase in report.phases
        if phase.client.held
    ]
    said = {item: None for phase in report.phases for item in phase.reasons.items()}
    found += [f"the first {kind} said: {reason}" for kind, reason in said]
    if silent:
        found.append(f"no right answer at {', '.join(silent)}")
    return found


def console_for(stream: TextIO) -> console.Console:
    """Return what to print on; into a pipe there is no width to fit."""
    width = None if stream.isatty() else _PIPED_WIDTH
    return console.Console(file=stream, highlight=False, width=width)


def show(report: result.Report, out: console.Console) -> None:
    """Print the whole report."""
    for fact in facts(report):
        out.print(fact, soft_wrap=True, markup=False)
    print_rows(out, "Speed and latency", speed(report))
    print_rows(out, "CPU ms per image by process, share of the clients in all cores", cost(report))
    for note in refusals(report):
        out.print(note, soft_wrap=True, markup=False)
    for warning in warnings(report):
        out.print(f"warning: {warning}", soft_wrap=True, markup=False)


def refusals(report: result.Report) -> list[str]:
    """Return how quickly requests were refused."""
    return [
        f"refused at {name(phase)}: p50 {_ms(found.p50)} ms, p99 {_ms(found.p99)} ms"
        for phase in report.phases
        if (found := phase.refusals_ms) is not None
    ]


def print_rows(out: console.Console, title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a title; the first is the head, and all columns but one are figures."""
    grid = table.Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(rows[0]):
        grid.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in rows[1:]:
        grid.add_row(*row)
    with out.capture() as caught:
        out.print(grid)
    for shown in caught.get().splitlines():  # without the blanks that fill up the last column
        out.file.write(shown.rstrip(" ") + "\n")


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
