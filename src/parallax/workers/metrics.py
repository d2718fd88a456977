"""What the inference loop counts; the api's /metrics adds all processes up."""

import functools
from collections.abc import Callable

from prometheus_client import Counter, Histogram

KINDS = ("counter", "histogram")
"""The kinds of files that these are kept in."""

BATCH_SIZE = Histogram(
    "parallax_batch_size",
    "Items per batch.",
    ["model"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
BATCH_SECONDS = Histogram(
    "parallax_batch_seconds",
    "Seconds a batch took on the device.",
    ["model"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
MODEL_LOADS = Counter(
    "parallax_model_loads", "Versions of models loaded on a device.", ["model", "outcome"]
)
MODEL_LOAD_SECONDS = Histogram(
    "parallax_model_load_seconds",
    "Seconds that loading and warming a model took.",
    ["model"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
BATCHES = Counter(
    "parallax_batches", "Batches by the reason for which they left.", ["model", "reason"]
)

HUNG_RUNS = Counter(
    "parallax_hung_runs", "Runs that did not end, for which a process was killed.", ["model"]
)


def count_batch(model: str, reason: str, size: int, seconds: float) -> None:
    """Count a run of ``size`` items that took this many seconds and had left for a reason."""
    observe_size, observe_seconds, count = _of(model, reason)
    observe_size(size)
    observe_seconds(seconds)
    count()


@functools.cache
def _of(
    model: str, reason: str
) -> tuple[Callable[[float], None], Callable[[float], None], Callable[[], None]]:
    """Return what counts for a model and a reason: looking these up costs as much as counting."""
    return (
        BATCH_SIZE.labels(model).observe,
        BATCH_SECONDS.labels(model).observe,
        BATCHES.labels(model, reason).inc,
    )
