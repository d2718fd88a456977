"""What a parallax counts, from its /metrics: differences between two moments."""

import math
from collections.abc import Collection, Iterator, Mapping

import msgspec
from prometheus_client import parser

_BATCH, _STAGE = "parallax_batch_size", "parallax_stage_seconds"

Sums = tuple[float, float]
"""Sum and count of a histogram."""


class Counters(msgspec.Struct, frozen=True):
    """Counts since the server's start, of one model."""

    batches: dict[float, float] = {}
    """Batches that are at most so large, by size."""
    batch: Sums = (0.0, 0.0)
    stages: dict[str, Sums] = {}


def read(text: str, names: Collection[str]) -> Counters:
    """Return the counters of a model in the Prometheus text format; empty ones of other texts.

    ``names`` are all that it is called.
    """
    batches: dict[float, float] = {}
    sums: dict[tuple[str, str], float] = {}
    for name, labels, value in _samples(text, names):
        if name == _BATCH + "_bucket":
            batches[float(labels["le"])] = value
        else:
            sums[name, labels.get("stage", "")] = value
    stages = {stage: _pair(sums, _STAGE, stage) for name, stage in sums if stage}
    return Counters(batches, _pair(sums, _BATCH, ""), stages)


def batches(before: Counters, after: Counters) -> dict[str, int]:
    """Return how many batches of each size ran, by size or range of sizes."""
    found: dict[str, int] = {}
    least, seen = 1.0, 0.0
    for limit in sorted(after.batches):
        total = after.batches[limit] - before.batches.get(limit, 0.0)
        if total > seen:
            found[_span(least, limit)] = round(total - seen)
        least, seen = limit + 1, max(seen, total)
    return found


def mean_batch(before: Counters, after: Counters) -> float | None:
    """Return how many pictures a batch held; None if none ran."""
    return _mean(before.batch, after.batch)


def stage_ms(before: Counters, after: Counters) -> dict[str, float]:
    """Return the mean milliseconds of a picture by stage."""
    means = {
        name: _mean(before.stages.get(name, (0.0, 0.0)), sums)
        for name, sums in after.stages.items()
    }
    return {name: 1000 * mean for name, mean in means.items() if mean is not None}


def _samples(text: str, names: Collection[str]) -> Iterator[tuple[str, Mapping[str, str], float]]:
    try:
        for family in parser.text_string_to_metric_families(text):
            if family.name in (_BATCH, _STAGE):
                for sample in family.samples:
                    if sample.labels.get("model") in names:
                        yield sample.name, sample.labels, sample.value
    except ValueError:
        return


def _pair(sums: Mapping[tuple[str, str], float], name: str, stage: str) -> Sums:
    return sums.get((name + "_sum", stage), 0.0), sums.get((name + "_count", stage), 0.0)


def _mean(before: Sums, after: Sums) -> float | None:
    count = after[1] - before[1]
    return (after[0] - before[0]) / count if count > 0 else None


def _span(least: float, limit: float) -> str:
    if math.isinf(limit):
        return f"{least:g}+"
    return f"{limit:g}" if limit <= least else f"{least:g}-{limit:g}"
