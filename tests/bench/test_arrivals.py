"""Arrivals are those of a Poisson process, and shares are even."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from parallax.bench import arrivals

SEEDS = st.integers(0, 2**32 - 1)


@given(st.floats(0.1, 500), st.floats(0.1, 20), SEEDS)
def test_arrivals_ascend_within_the_time(rate: float, seconds: float, seed: int) -> None:
    times = arrivals.poisson(rate, seconds, np.random.default_rng(seed))
    assert (np.diff(times) >= 0).all()
    assert ((times >= 0) & (times < seconds)).all()


def test_gaps_are_exponential_at_the_rate_that_was_asked_for() -> None:
    gaps = np.diff(arrivals.poisson(50.0, 2000.0, np.random.default_rng(3)))
    assert abs(gaps.mean() * 50 - 1) < 0.02
    assert abs(gaps.std() / gaps.mean() - 1) < 0.02  # of an exponential law both are equal


@given(st.integers(0, 5000), st.integers(1, 64))
def test_shares_add_up_and_are_even(total: int, parts: int) -> None:
    found = arrivals.shares(total, parts)
    assert sum(found) == total
    assert max(found) - min(found) <= 1


@given(st.integers(1, 40), st.integers(1, 200), SEEDS)
def test_each_picture_is_sent_as_often_as_the_others(pictures: int, length: int, seed: int) -> None:
    found = arrivals.order(pictures, length, np.random.default_rng(seed))
    assert len(found) >= length
    for begin in range(0, len(found), pictures):
        assert sorted(found[begin : begin + pictures]) == list(range(pictures))
