"""Two reports side by side: ratios per phase, and what makes them hard to compare."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from parallax.bench import failures, result, table

Key = tuple[str, int, float | None]


class _Head(msgspec.Struct):
    format: int


FIGURES: dict[str, Callable[[result.Phase], float]] = {
    "images/s": lambda phase: phase.images_per_s,
    "p50": lambda phase: phase.latency_ms.p50,
    "p90": lambda phase: phase.latency_ms.p90,
    "p99": lambda phase: phase.latency_ms.p99,
    "server CPU": lambda phase: sum(phase.cpu_ms_per_image.values()),
    "PSS": lambda phase: phase.pss_mb or 0.0,
}
"""What is compared, by its name in the table."""


def load(path: Path) -> result.Report:
    """Read a report.

    Raises:
        BenchError: the file cannot be read, is no report, or is one of another format.
    """
    try:
        data = path.read_bytes()
        written = msgspec.json.decode(data, type=_Head).format
    except OSError as problem:
        raise failures.BenchError(f"{path}: {problem.strerror}") from problem
    except msgspec.MsgspecError as problem:
        raise failures.BenchError(f"{path} is not a report of parallax bench") from problem
    if written != result.FORMAT:
        raise failures.BenchError(
            f"{path} is a report of format {written}, and this program compares format "
            f"{result.FORMAT}; measure again with one version of parallax"
        )
    try:
        return msgspec.json.decode(data, type=result.Report)
    except msgspec.MsgspecError as problem:
        raise failures.BenchError(
            f"{path} is not a report of parallax bench: {problem}"
        ) from problem


def rows(old: result.Report, new: result.Report) -> table.Rows:
    """Return new / old by phase; the first row is the head. Phases of one alone are left out."""
    before = {_key(phase): phase for phase in old.phases}
    found = [["load", *FIGURES]]
    for phase in new.phases:
        if _key(phase) in before:
            was = before[_key(phase)]
            ratios = (ratio(figure(was), figure(phase)) for figure in FIGURES.values())
            found.append([table.name(phase), *ratios])
    return found


def ratio(old: float, new: float) -> str:
    """Return new / old, or nothing where one of them is unknown."""
    return f"{new / old:.2f}" if old > 0 and new > 0 else ""


def warnings(old: result.Report, new: result.Report) -> Iterator[str]:
    """Yield what makes a ratio say something else than that one server is faster."""
    pairs: tuple[tuple[str, object, object], ...] = (
        ("machine", _machine(old), _machine(new)),
        ("model", old.target.model, new.target.model),
        ("api", old.target.api, new.target.api),
        ("options of the server", old.target.serve_args, new.target.serve_args),
        ("pictures", _pictures(old), _pictures(new)),
    )
    for what, was, now in pairs:
        if was != now:
            yield f"{what}: {_said(was)} then, {_said(now)} now"
    if old.ceiling and new.ceiling:
        change = new.ceiling.images_per_s / old.ceiling.images_per_s
        if not 0.95 < change < 1.05:
            yield f"the machine itself had {change:.2f} of its earlier speed with the stages alone"
    if len(rows(old, new)) == 1:
        yield "no load was measured in both"


def _key(phase: result.Phase) -> Key:
    return phase.mode, phase.concurrency, phase.rate


def _machine(report: result.Report) -> str:
    return f"{report.machine.cpus} x {report.machine.cpu_model}"


def _pictures(report: result.Report) -> str:
    shown = report.pictures
    return f"{shown.count} of {shown.mean_bytes / 1000:.0f} KB ({', '.join(shown.sizes)})"


def _said(value: object) -> str:
    return " ".join(value) or "none" if isinstance(value, list) else str(value)
