"""Quantiles of samples, and means of ceilings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.bench import result, statistics

SAMPLES = st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300)


@given(SAMPLES)
def test_figures_are_latencies_that_occurred_in_their_order(samples: list[float]) -> None:
    found = statistics.latency(np.array(samples))
    quantiles = [found.p50, found.p90, found.p99, found.p999, found.max]
    assert quantiles == sorted(quantiles)
    assert set(quantiles) <= set(samples)
    assert found.mean == pytest.approx(sum(samples) / len(samples))


@given(SAMPLES, st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_the_least_that_enough_samples_do_not_exceed(
    samples: list[float], share: float
) -> None:
    found = statistics.latency(np.array(samples))
    value = {0.5: found.p50, 0.9: found.p90, 0.99: found.p99}[share]
    reached = sum(each <= value for each in samples)
    below = sum(each < value for each in samples)
    assert reached >= share * len(samples) - 1e-9
    assert below <= share * len(samples) + 1e-9


@given(SAMPLES)
def test_the_curve_ascends_towards_four_nines(samples: list[float]) -> None:
    points = statistics.curve(np.array(samples))
    assert points == sorted(points)
    assert points[-1][0] == pytest.approx(0.9999)
    assert points[0][1] == min(samples)


def test_nothing_measured_is_all_zeros_and_no_curve() -> None:
    assert statistics.latency(np.array([])) == result.Latency(0, 0, 0, 0, 0, 0)
    assert statistics.curve(np.array([])) == []
    assert statistics.per_image(3.0, 0) == 0.0


def ceiling(images_per_s: float, other: float, plain: float | None = None) -> result.Ceiling:
    return result.Ceiling(
        images_per_s=images_per_s,
        arrangement="threads",
        binds="infer",
        stages_ms={"pre": 2.0, "infer": images_per_s / 10},
        arrangements={"threads": images_per_s, "processes": other},
        runs=[images_per_s],
        plain_images_per_s=plain,
        parts={"cores": 200.0, "device": images_per_s},
    )


def test_two_ceilings_are_the_mean_of_the_arrangement_that_is_best_in_the_mean() -> None:
    found = statistics.mean_ceiling([ceiling(100, 98, 50.0), ceiling(90, 96, 60.0)])
    assert (found.arrangement, found.images_per_s) == ("processes", 97)
    assert found.runs == [100, 90]
    assert found.stages_ms == {"pre": 2.0, "infer": 9.5}
    assert found.plain_images_per_s == 55.0
    assert found.parts == {"cores": 200.0, "device": 95.0}
