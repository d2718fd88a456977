"""A report as one page that needs nothing else: no network, no script."""

import shlex
import string
from collections.abc import Sequence
from importlib import resources

from parallax.bench import bars, drawing, plots, result, summary, table

tag, text, figure = drawing.tag, drawing.text, drawing.figure

_CLIENT = "client"
_STAGES = {"pre": "pre (decode, letterbox)", "infer": "infer (network)", "post": "post (answer)"}


def render(report: result.Report) -> str:
    """Return a whole HTML document. Whatever comes from the report is escaped."""
    template = (resources.files("parallax.bench") / "pages/report.html").read_text("utf-8")
    sections = (
        summary.figures(report),
        _throughput(report),
        _latency(report),
        _phases(report),
        _cpu(report),
        _stages(report),
        _batches(report),
        _ceiling(report.ceiling),
        _repeat(report),
    )
    target = report.target
    where = "a server started for this" if target.started_here else target.url
    subtitle = f"{report.started} · {where} · {report.machine.cpus} x {report.machine.cpu_model}"
    return string.Template(template).substitute(
        title=text(f"{target.model} - parallax bench"),
        heading=text(f"How fast is {target.model}?"),
        subtitle=text(subtitle),
        sections="\n".join(section for section in sections if section),
        footer=text(f"Measured by parallax {report.parallax} bench."),
    )


def section(title: str, content: str, note: str = "") -> str:
    """Return a part of the page; "" if it has no content."""
    if not content:
        return ""
    said = tag("p", text(note), class_="soft") if note else ""
    return tag("section", tag("h2", text(title)) + said + content)


def _throughput(report: result.Report) -> str:
    note = "Closed loop: each request in flight is followed by the next when it is answered."
    if report.ceiling is not None:
        note += " The ceiling is what this machine does with the stages alone."
        if report.ceiling.plain_images_per_s:
            note += (
                " Plain work is the ceiling with all pixels decoded, a float input, the graph as "
                "exported and NumPy suppression."
            )
    return section("Throughput", plots.throughput(report), note)


def _latency(report: result.Report) -> str:
    note = "From the moment a request should have left until its answer was complete."
    return section("Latency", plots.latency(report.phases), note)


def _phases(report: result.Report) -> str:
    speed, cost = table.speed(report), table.cost(report)
    head = [*speed[0][:-1], "sent", "answered", "client share", "PSS MB", "errors"]
    rows = [
        [*fast[:-1], f"{phase.sent:,}", f"{phase.answered:,}", *spent[-2:], _errors(phase)]
        for fast, spent, phase in zip(speed[1:], cost[1:], report.phases, strict=True)
    ]
    warnings = table.warnings(report)
    listed = "".join(tag("li", text(warning)) for warning in warnings)
    doubts = tag("ul", listed, class_="warnings bad") if warnings else ""
    return section("Every load", grid(head, rows) + doubts)


def _errors(phase: result.Phase) -> str:
    return ", ".join(f"{kind}: {count:,}" for kind, count in phase.errors.items()) or "none"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column names a row, all but the last and the first are figures."""

    def line(name: str, cells: Sequence[str], scope: str) -> str:
        first = tag("th", text(cells[0]), scope=scope)
        middle = "".join(tag(name, text(cell), class_="number") for cell in cells[1:-1])
        bad = name == "td" and cells[-1] not in ("", "none")
        last = tag(name, text(cells[-1]), class_="bad") if bad else tag(name, text(cells[-1]))
        return tag("tr", first + middle + last)

    top = tag("thead", line("th", head, "col"))
    body = tag("tbody", "".join(line("td", row, "row") for row in rows))
    return tag("div", tag("table", top + body), class_="scroll")


def _cpu(report: result.Report) -> str:
    phases = [phase for phase in report.phases if phase.cpu_ms_per_image]
    seen = [table.cost(report)[0][3:-3]] if phases else []
    kinds = [*seen[0], _CLIENT] if seen else []
    rows = []
    for phase in phases:
        parts = {**phase.cpu_ms_per_image, _CLIENT: phase.client.cpu_ms_per_image}
        server = sum(phase.cpu_ms_per_image.values())
        rows.append(bars.Row(table.name(phase), parts, f"{figure(server)} ms"))
    note = "Milliseconds of CPU time by kind of process; at the end the server's, without the load."
    return section("CPU per image", bars.stacked(rows, kinds) if rows else "", note)


def _stages(report: result.Report) -> str:
    phases = [phase for phase in report.phases if phase.stage_ms]
    kinds = list(dict.fromkeys(kind for phase in phases for kind in phase.stage_ms))
    rows = [
        bars.Row(table.name(phase), phase.stage_ms, f"{figure(sum(phase.stage_ms.values()))} ms")
        for phase in phases
    ]
    note = "Mean milliseconds of a picture in the server, waiting and in each stage."
    return section("Where the time goes", bars.stacked(rows, kinds) if rows else "", note)


def _batches(report: result.Report) -> str:
    panels = []
    for phase in report.phases:
        total = sum(phase.batches.values())
        if not total:
            continue
        shares = {size: 100.0 * count / total for size, count in phase.batches.items()}
        rows = [bars.Row(size, {"%": share}, f"{share:.0f} %") for size, share in shares.items()]
        title = tag("h3", text(table.name(phase)))
        panels.append(tag("div", title + bars.single(rows, 100.0)))
    note = "Pictures that the network took at once, as a share of its runs."
    content = tag("div", "".join(panels), class_="panels") if panels else ""
    return section("Batch sizes", content, note)


def _ceiling(found: result.Ceiling | None) -> str:
    if found is None:
        return ""
    rates = dict(found.arrangements)
    rates |= {f"{side} alone": rate for side, rate in found.parts.items()}
    if found.plain_images_per_s:
        rates["plain work"] = found.plain_images_per_s
    rows = [bars.Row(name, {"": rate}, f"{figure(rate)}/s") for name, rate in rates.items()]
    stages = ", ".join(
        f"{_STAGES.get(stage, stage)} {figure(ms)} ms" for stage, ms in found.stages_ms.items()
    )
    runs = " and ".join(figure(run) for run in found.runs)
    binds = _STAGES.get(found.binds, found.binds)
    note = (
        f"The stages in process: no HTTP, no base64, no broker. Best: {found.arrangement}, "
        f"{runs} images/s. Per image on one core: {stages}. What binds: {binds}."
    )
    return section("The ceiling", bars.single(rows), note)


def _repeat(report: result.Report) -> str:
    machine, pictures = report.machine, report.pictures
    facts = (
        ("Machine", f"{machine.cpus} x {machine.cpu_model}, {machine.memory_mb / 1000:.0f} GB"),
        ("System", f"{machine.os}, Python {machine.python}"),
        (
            "Pictures",
            f"{pictures.count} of {', '.join(pictures.sizes)}, "
            f"{pictures.mean_bytes / 1000:.0f} KB in the mean",
        ),
        ("Asked", f"{report.target.model} by the {report.target.api} API, {report.target.url}"),
    )
    listed = "".join(tag("dt", text(name)) + tag("dd", text(value)) for name, value in facts)
    command = text(shlex.join(report.command))
    shown = tag("pre", tag("code", command)) if command else ""
    return section("To repeat it", tag("dl", listed, class_="facts") + shown)
