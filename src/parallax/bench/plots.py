"""The two plots of a report, as SVG: throughput by requests in flight, and the latency curves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from parallax.bench import drawing, result, table

tag, text, figure = drawing.tag, drawing.text, drawing.figure

Scale = Callable[[float], float]

_LINE = 16.0
"""Distance of labels that stand below each other."""
_QUANTILES = (
    (0.0, "0"),
    (0.5, "50"),
    (0.9, "90"),
    (0.99, "99"),
    (0.999, "99.9"),
    (0.9999, "99.99"),
)
_FLOOR_MS = 0.01


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture with room around the plot for axes and labels, in pixels."""

    width: float
    height: float
    kind: str
    """``wide`` or ``narrow``: which screens show it."""
    left: float = 58.0
    right: float = 150.0
    top: float = 28.0
    bottom: float = 48.0

    @property
    def end(self) -> float:
        """Right edge of the plot."""
        return self.width - self.right

    @property
    def floor(self) -> float:
        """Lower edge of the plot."""
        return self.height - self.bottom

    def drawn(self, parts: Sequence[str], label: str) -> str:
        """Return the picture."""
        box = f"0 0 {self.width:g} {self.height:g}"
        return tag(
            "svg",
            "".join(parts),
            class_=f"plot {self.kind}",
            viewBox=box,
            role="img",
            aria_label=label,
        )


def throughput(report: result.Report) -> str:
    """Return images per second by requests in flight, beside the ceiling; "" without a closed
    loop."""
    phases = sorted(
        (phase for phase in report.phases if phase.mode == "closed"),
        key=lambda phase: phase.concurrency,
    )
    if not phases:
        return ""
    limits = _limits(report.ceiling)
    frames = (
        Frame(1040.0, 360.0, "wide", right=170.0),
        Frame(360.0, 330.0, "narrow", left=46.0, right=14.0, top=44.0),
    )
    return "".join(_throughput(frame, phases, limits) for frame in frames)


def latency(phases: Sequence[result.Phase]) -> str:
    """Return a line per phase over quantiles, on a scale that stretches the slowest; "" without
    answers."""
    shown = [(index, phase) for index, phase in enumerate(phases) if phase.curve]
    if not shown:
        return ""
    rows = max(300.0, _LINE * len(shown))
    frames = (
        Frame(1040.0, rows + 76, "wide"),
        Frame(360.0, rows + 76, "narrow", left=46.0, right=106.0),
    )
    return "".join(_latency(frame, shown) for frame in frames)


def _limits(found: result.Ceiling | None) -> list[tuple[str, float]]:
    if found is None:
        return []
    limits = [("ceiling", found.images_per_s)]
    if found.plain_images_per_s:
        limits.append(("plain work", found.plain_images_per_s))
    return limits


def _throughput(
    frame: Frame, phases: Sequence[result.Phase], limits: Sequence[tuple[str, float]]
) -> str:
    rates = [phase.images_per_s for phase in phases]
    marks = drawing.ticks(max([*rates, *(rate for _, rate in limits)]) * 1.06 or 1.0)
    places = _steps([phase.concurrency for phase in phases], frame.left + 28, frame.end - 28)
    up = _linear(marks[-1], frame)
    parts = _rows(frame, [(up(mark), f"{mark:,.10g}") for mark in marks], "images/s")
    parts += _columns(frame, places, [str(phase.concurrency) for phase in phases])
    parts.append(_below(frame, "requests in flight"))
    parts += _limit_lines(frame, limits, up)
    points = [(x, up(rate)) for x, rate in zip(places, rates, strict=True)]
    parts.append(tag("polyline", class_="series c0", points=_points(points)))
    for (x, y), rate in zip(points, rates, strict=True):
        parts.append(tag("circle", class_="dot c0", cx=x, cy=y, r=5))
        # Below the point, because the ceiling is above it.
        below = y + 21 if y + 21 < frame.floor - 4 else y - 11
        parts.append(
            tag("text", figure(rate), class_="strong halo", x=x, y=below, text_anchor="middle")
        )
    said = ", ".join(
        f"{phase.concurrency} in flight {figure(phase.images_per_s)}" for phase in phases
    )
    return frame.drawn(parts, f"Images per second: {said}")


def _limit_lines(frame: Frame, limits: Sequence[tuple[str, float]], up: Scale) -> list[str]:
    parts = []
    beside = frame.right > 100
    places = drawing.apart([up(rate) for _, rate in limits], _LINE, frame.top, frame.floor)
    for (name, rate), place in zip(limits, places, strict=True):
        y = up(rate)
        parts.append(tag("line", class_="limit", x1=frame.left, x2=frame.end, y1=y, y2=y))
        label = f"{name} {figure(rate)}"
        if beside:
            parts.append(tag("text", label, x=frame.end + 10, y=place + 4.5))
        else:
            parts.append(tag("text", label, class_="halo", x=frame.left + 4, y=y - 6))
    return parts


def _latency(frame: Frame, phases: Sequence[tuple[int, result.Phase]]) -> str:
    values = [max(ms, _FLOOR_MS) for _, phase in phases for _, ms in phase.curve]
    marks = drawing.log_ticks(min(values), max(values))
    up, across = _logarithmic(marks[0], marks[-1], frame), _nines(frame)
    parts = _rows(frame, [(up(mark), f"{mark:,.10g}") for mark in marks], "ms")
    columns = [(across(quantile), label) for quantile, label in _QUANTILES]
    parts += _columns(frame, [x for x, _ in columns], [label for _, label in columns])
    parts.append(_below(frame, "answers that were at least as quick, %"))
    lines = [
        [(across(quantile), up(max(ms, _FLOOR_MS))) for quantile, ms in phase.curve]
        for _, phase in phases
    ]
    labels = drawing.apart([line[-1][1] for line in lines], _LINE, frame.top, frame.floor)
    for (index, phase), line, y in zip(phases, lines, labels, strict=True):
        last_x, last_y = line[-1]
        link = [(last_x + 3, last_y), (frame.end + 6, last_y), (frame.end + 14, y)]
        named = f"named {drawing.colour(index)}"
        parts += [
            tag("polyline", class_="link", points=_points(link)),
            tag("polyline", class_=f"series {drawing.colour(index)}", points=_points(line)),
            tag("text", text(table.name(phase)), class_=named, x=frame.end + 17, y=y + 4.5),
        ]
    return frame.drawn(parts, "Latency by the share of answers, a line for each load")


def _rows(frame: Frame, marks: Sequence[tuple[float, str]], unit: str) -> list[str]:
    """Return the horizontal lines with their numbers, and the unit above them."""
    parts = [tag("text", unit, x=0, y=frame.top - 15)]
    for y, label in marks:
        parts.append(tag("line", class_="grid", x1=frame.left, x2=frame.end, y1=y, y2=y))
        parts.append(tag("text", label, x=frame.left - 8, y=y + 4.5, text_anchor="end"))
    return parts


def _columns(frame: Frame, places: Sequence[float], labels: Sequence[str]) -> list[str]:
    """Return the numbers below the plot, with a short line at each."""
    floor = frame.floor
    parts = [tag("line", class_="axis", x1=frame.left, x2=frame.end, y1=floor, y2=floor)]
    for x, label in zip(places, labels, strict=True):
        parts.append(tag("line", class_="axis", x1=x, x2=x, y1=floor, y2=floor + 5))
        parts.append(tag("text", label, x=x, y=floor + 20, text_anchor="middle"))
    return parts


def _below(frame: Frame, label: str) -> str:
    middle = (frame.left + frame.end) / 2
    return tag("text", label, x=middle, y=frame.height - 8, text_anchor="middle")


def _steps(values: Sequence[float], start: float, end: float) -> list[float]:
    """Return places on a logarithmic scale, far enough apart to be read."""
    logs = [math.log2(value) for value in values]
    span = logs[-1] - logs[0]
    wanted = [start + (end - start) * ((log - logs[0]) / span if span else 0.5) for log in logs]
    return drawing.apart(wanted, min(44.0, (end - start) / len(values)), start, end)


def _linear(most: float, frame: Frame) -> Scale:
    return lambda value: frame.floor - (frame.floor - frame.top) * value / most


def _logarithmic(least: float, most: float, frame: Frame) -> Scale:
    low, span = math.log10(least), math.log10(most / least)
    return lambda value: frame.floor - (frame.floor - frame.top) * (math.log10(value) - low) / span


def _nines(frame: Frame) -> Scale:
    most = -math.log10(1 - _QUANTILES[-1][0])
    return lambda quantile: (
        frame.left
        + (frame.end - frame.left) * min(1.0, -math.log10(max(1 - quantile, 1e-12)) / most)
    )


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
