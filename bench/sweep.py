"""Throughput over worker counts and batch sizes, each with a server of its own.

    python -m bench.sweep [--cpu-workers 1,2,4] [--max-batch 1,4,16] [--concurrency 16]
        [--duration 5] [-- OPTIONS OF parallax serve]

Prints a Markdown table. The combinations are measured in turns, ``--rounds`` times, because
machines change their speed by the minute; a cell holds the median.
"""

import argparse
import itertools
import statistics
from collections import defaultdict

from bench import runs

Combination = tuple[str, str]


def measure(workers: str, batch: str, options: argparse.Namespace) -> float:
    """Return images per second of a server with so many workers and so large batches."""
    load = ("--concurrency", options.concurrency, "--duration", options.duration)
    serve = ("--cpu-workers", workers, "--max-batch", batch, *options.serve)
    report = runs.run((*load, "--warmup", "1", "--api", "raw"), serve)
    return report.phases[0].images_per_s


def table(found: dict[Combination, list[float]], workers: list[str], batches: list[str]) -> str:
    """Return the medians, a row for each number of workers."""
    lines = [f"| cpu workers | {' | '.join(f'batch {batch}' for batch in batches)} |"]
    lines.append("|---" * (len(batches) + 1) + "|")
    for count in workers:
        cells = [f"{statistics.median(found[count, batch]):.1f}" for batch in batches]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all combinations and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu-workers", default="1,2,4")
    parser.add_argument("--max-batch", default="16", help="matters on an accelerator")
    parser.add_argument("--concurrency", default="16")
    parser.add_argument("--duration", default="5")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("serve", nargs="*", help="options of parallax serve, after --")
    options = parser.parse_args()
    workers, batches = options.cpu_workers.split(","), options.max_batch.split(",")
    found: dict[Combination, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for combination in itertools.product(workers, batches):
            found[combination].append(measure(*combination, options))
    print(table(found, workers, batches))


if __name__ == "__main__":
    main()
