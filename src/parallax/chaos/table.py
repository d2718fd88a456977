"""The report as tables for a terminal."""

from collections.abc import Iterator, Mapping

from rich import console

from parallax.bench import table
from parallax.chaos import attack, result

_NONE = "none"


def show(report: result.Report, out: console.Console) -> None:
    """Print the whole report."""
    if report.suffered:
        table.print_rows(out, "Faults", list(suffered(report)))
    table.print_rows(out, "Requests", list(requests(report)))
    table.print_rows(out, "Processes that lived all the time", list(lasting(report)))
    for line in lines(report):
        out.print(line, soft_wrap=True, markup=False)


def suffered(report: result.Report) -> Iterator[list[str]]:
    """Yield a row per fault; the first is the head."""
    yield ["fault", "at s", "right answer after s", "all ready after s", "what"]
    for each in report.suffered:
        yield [
            each.name,
            f"{each.at_s:.1f}",
            attack.seconds(each.right_after_s).removesuffix(" s"),
            attack.seconds(each.ready_after_s).removesuffix(" s"),
            each.note,
        ]


def requests(report: result.Report) -> Iterator[list[str]]:
    """Yield a row per way to end; the first is the head."""
    found = report.requests
    yield ["requests", "count"]
    counts = {
        "sent": found.sent,
        "answered right": found.right,
        "answered wrong": found.wrong,
        "unanswered": found.unanswered,
        "answered twice": found.twice,
        "failed": found.failed,
        "refused for now": found.refused,
        "cut with their api process": found.cut_with_api,
        "given up by the client": found.hung_up,
    }
    for name, count in counts.items():
        yield [name, f"{count:,}"]


def lasting(report: result.Report) -> Iterator[list[str]]:
    """Yield a row per process that was there from the beginning to the end; first the head."""
    yield ["process", "files", "more files", "MB", "MB/min"]
    for each in report.lasting:
        yield [
            each.process,
            f"{each.files}",
            f"{each.more_files:+d}",
            f"{each.memory_mb:.1f}",
            f"{each.mb_per_minute:+.2f}",
        ]


def lines(report: result.Report) -> Iterator[str]:
    """Yield the rest, the verdict last."""
    found = report.requests
    yield f"right                 {_counted(found.kinds)}"
    for verdict, reasons in found.reasons.items():
        if any(reasons):
            yield f"{verdict:<21} {_counted(reasons)}"
    for case in found.cases:
        yield (
            f"  {case.verdict}: request {case.number}, sent {case.sent_s:.2f} s, ended "
            f"{case.ended_s:.2f} s: {case.reason}"
        )
    yield f"slowest right answer  {report.requests.slowest_s:.2f} s"
    yield f"replies discarded     {report.replies_dropped:.0f}, because nobody waited for them"
    yield f"run directory         {report.run_files:+d} files"
    for name, reason in report.skipped.items():
        yield f"left out              {name}: {reason}"
    yield f"left behind           {'; '.join(report.leaks) or _NONE}"
    if report.interrupted:
        yield "stopped before the end"
    verdict = "; ".join(report.failures) or "nothing lost, nothing wrong, nothing left behind"
    yield f"seed {report.seed}: {verdict}"


def _counted(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return "; ".join(f"{count} {name}" for name, count in ordered)
