"""Figures of samples, exact: every latency is kept, none is put into a bucket."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parallax.bench import result

Samples = NDArray[np.float64]

_METHOD: Final = "inverted_cdf"
"""A quantile is a latency that occurred: the least that so large a part of them does not exceed."""
_POINTS = 50
_NINES = 4


def latency(ms: Samples) -> result.Latency:
    """Return the usual figures of latencies in milliseconds; zeros if there are none."""
    if not len(ms):
        return result.Latency(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    found = np.quantile(ms, (0.5, 0.9, 0.99, 0.999), method=_METHOD)
    p50, p90, p99, p999 = (float(value) for value in found)
    return result.Latency(p50, p90, p99, p999, float(ms.mean()), float(ms.max()))


def curve(ms: Samples) -> list[tuple[float, float]]:
    """Return (quantile, ms) from 0 to 0.9999, evenly spaced in the number of nines."""
    if not len(ms):
        return []
    quantiles = 1.0 - 10.0 ** -np.linspace(0, _NINES, _POINTS)
    values = np.quantile(ms, quantiles, method=_METHOD)
    return [(float(q), float(value)) for q, value in zip(quantiles, values, strict=True)]


def per_image(total: float, images: int) -> float:
    """Return a share of each image; 0 if there are none."""
    return total / images if images else 0.0


def mean_ceiling(runs: Sequence[result.Ceiling]) -> result.Ceiling:
    """Return the mean of what was measured before the load and after it.

    The arrangement is the one that is fastest in the mean, so that ``images_per_s`` is its figure.
    """
    arrangements = _means([run.arrangements for run in runs])
    best = max(arrangements, key=lambda name: arrangements[name], default=runs[0].arrangement)
    chosen = max(runs, key=lambda run: run.images_per_s)
    plain = [run.plain_images_per_s for run in runs if run.plain_images_per_s is not None]
    overall = sum(run.images_per_s for run in runs) / len(runs)
    return result.Ceiling(
        images_per_s=arrangements.get(best, overall),
        arrangement=best,
        binds=chosen.binds,
        stages_ms=_means([run.stages_ms for run in runs]),
        arrangements=arrangements,
        runs=[value for run in runs for value in (run.runs or [run.images_per_s])],
        parts=_means([run.parts for run in runs]),
        plain_images_per_s=sum(plain) / len(plain) if plain else None,
    )


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items()}
