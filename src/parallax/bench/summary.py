"""What a report comes to: the few figures at the head of its page."""

from collections.abc import Iterator

from parallax.bench import drawing, result, table

tag, text, figure = drawing.tag, drawing.text, drawing.figure


def figures(report: result.Report) -> str:
    """Return the headline figures."""
    shown = "".join(
        tag(
            "div",
            tag("dt", text(name)) + tag("dd", tag("b", value) + tag("span", text(said))),
            **({"class_": "alarm"} if alarm else {}),
        )
        for name, value, said, alarm in _figures(report)
    )
    return tag("section", tag("dl", shown, class_="figures"), aria_label="Summary")


def _figures(report: result.Report) -> Iterator[tuple[str, str, str, bool]]:
    """Yield name, value as HTML, what it is of, and whether it is bad news."""
    answered = [phase for phase in report.phases if phase.answered]
    if answered:
        best = max(answered, key=lambda phase: phase.images_per_s)
        calm = min(answered, key=lambda phase: phase.latency_ms.p50)
        name = table.name(best)
        yield "Most images", _value(best.images_per_s, "/s"), f"at {name}", False
        if report.ceiling is not None and report.ceiling.images_per_s > 0:
            share = 100.0 * best.images_per_s / report.ceiling.images_per_s
            said = f"{figure(report.ceiling.images_per_s)} images/s with the stages alone"
            yield "Share of the ceiling", _value(share, "%"), said, False
        yield "Shortest median", _value(calm.latency_ms.p50, "ms"), f"at {table.name(calm)}", False
        yield "99th percentile then", _value(best.latency_ms.p99, "ms"), f"at {name}", False
    failed = sum(sum(phase.errors.values()) for phase in report.phases)
    sent = sum(phase.sent for phase in report.phases)
    yield "Errors", f"{failed:,}", f"of {sent:,} requests", failed > 0


def _value(number: float, unit: str) -> str:
    return f"{figure(number)} {tag('small', text(unit))}"
