"""Delays between restarts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.policy import restarts


def test_a_crash_loop_waits_twice_as_long_each_time_up_to_the_longest() -> None:
    backoff = restarts.Backoff(first=1.0, longest=10.0)

    assert [backoff.after(0.0) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_healthy_life_starts_over() -> None:
    backoff = restarts.Backoff(first=1.0, healthy_after=30.0)
    for _ in range(5):
        backoff.after(0.0)

    assert backoff.after(30.0) == 1.0
    assert backoff.after(29.9) == 2.0


def test_a_loop_that_nobody_stops_does_not_overflow() -> None:
    backoff = restarts.Backoff(failures=100_000)

    assert backoff.after(0.0) == backoff.longest


@given(lives=st.lists(st.floats(0.0, 60.0), max_size=50))
def test_delays_stay_in_bounds_and_never_shrink_without_a_healthy_life(lives: list[float]) -> None:
    backoff = restarts.Backoff()
    delays = [backoff.after(lived) for lived in lives]

    assert all(backoff.first <= delay <= backoff.longest for delay in delays)
    for (_, before), (lived, after) in pairwise(zip(lives, delays, strict=True)):
        assert after >= before or lived >= backoff.healthy_after


@pytest.mark.parametrize("lived", [0.0, 9.99])
def test_the_second_early_death_waits_longer_than_the_first(lived: float) -> None:
    backoff = restarts.Backoff()

    assert backoff.after(lived) < backoff.after(lived)
