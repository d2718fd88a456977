"""How people use a server, as loads of ``parallax bench``.

    python -m bench.scenarios [NAME ...] [--duration 10] [-- OPTIONS OF parallax serve]

``lone``: an app that asks now and then, one request at a time: latency.
``cameras``: independent cameras at half of what the machine can do, an open loop: the latency that
they see when their pictures fall together.
``burst``: a pipeline that keeps 64 requests under way: throughput.
``crowd``: once, three and ten times what the machine can do, an open loop whose clients wait a
second and say so: what is left of the throughput, and how quickly the others are refused.
``json``: the same 16 requests as base64 in JSON and as the file itself: what the former costs.
"""

import argparse
import sys
from collections.abc import Callable

from bench import runs
from parallax.bench import result

Options = tuple[str, ...]


def lone(common: Options, serve: list[str]) -> list[result.Report]:
    """One request at a time."""
    return [runs.run((*common, "--api", "raw", "--concurrency", "1"), serve)]


def cameras(common: Options, serve: list[str]) -> list[result.Report]:
    """Arrivals at random, at half of the throughput that a closed loop reaches."""
    full = runs.run((*common, "--api", "raw", "--concurrency", "16"), serve)
    rate = f"{full.phases[0].images_per_s / 2:.0f}"
    return [full, runs.run((*common, "--api", "raw", "--rate", rate), serve)]


def burst(common: Options, serve: list[str]) -> list[result.Report]:
    """More requests than the machine has cores for."""
    return [runs.run((*common, "--api", "raw", "--concurrency", "64"), serve)]


def crowd(common: Options, serve: list[str]) -> list[result.Report]:
    """More arrivals than can be answered."""
    full = runs.run((*common, "--concurrency", "16"), serve)
    peak = full.phases[0].images_per_s
    rates = ",".join(f"{times * peak:.0f}" for times in (1, 3, 10))
    patience = ("--timeout", "1", "--tell-timeout")
    return [full, runs.run((*common, "--rate", rates, *patience), serve)]


def json(common: Options, serve: list[str]) -> list[result.Report]:
    """The two ways to send a picture."""
    load = (*common, "--concurrency", "16")
    return [runs.run((*load, "--api", api), serve) for api in ("roboflow", "raw")]


SCENARIOS: dict[str, Callable[[Options, list[str]], list[result.Report]]] = {
    "lone": lone,
    "cameras": cameras,
    "burst": burst,
    "crowd": crowd,
    "json": json,
}


HEAD = (
    *("scenario", "api", "load", "images/s", "p50 ms", "p99 ms", "p99.9 ms"),
    *("refused, p50 ms", "errors"),
)


def rows(name: str, report: result.Report) -> list[str]:
    """Return a report's phases as rows of a table."""
    found = []
    for phase in report.phases:
        load = f"{phase.rate:.0f}/s" if phase.rate else f"{phase.concurrency} in flight"
        latency = phase.latency_ms
        cells = [name, report.target.api, load, f"{phase.images_per_s:.1f}"]
        cells += [f"{value:.1f}" for value in (latency.p50, latency.p99, latency.p999)]
        refused = phase.refusals_ms
        cells.append("" if refused is None else f"{refused.p50:.1f}")
        found.append(f"| {' | '.join([*cells, str(sum(phase.errors.values()))])} |")
    return found


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return what stands before and after ``--``."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def main() -> None:
    """Run the scenarios that are named, by default all, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--duration", default="10")
    own, serve = _split(sys.argv[1:])
    known = parser.parse_args(own)
    chosen = known.names or list(SCENARIOS)
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for name in chosen:
        if name not in SCENARIOS:
            raise SystemExit(f"{name}: no such scenario; there are {', '.join(SCENARIOS)}")
        reports = SCENARIOS[name](("--duration", known.duration, "--warmup", "1"), serve)
        lines += [row for report in reports for row in rows(name, report)]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
