"""Admission by tables and properties; time is invented."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parallax.policy import admission


def test_all_or_nothing() -> None:
    gate = admission.Admission(3)

    assert gate.try_acquire(2, 0.0)
    assert not gate.try_acquire(2, 0.0)
    assert gate.in_flight == 2
    assert gate.try_acquire(1, 0.0)
    assert gate.full


def test_a_release_makes_room() -> None:
    gate = admission.Admission(1)
    gate.try_acquire(1, 0.0)

    gate.release(1, 1.0)

    assert not gate.full
    assert gate.try_acquire(1, 1.0)


@pytest.mark.parametrize("count", [0, -1, 2])
def test_releasing_what_was_not_taken_is_a_bug(count: int) -> None:
    gate = admission.Admission(5)
    gate.try_acquire(1, 0.0)

    with pytest.raises(ValueError, match="cannot release"):
        gate.release(count, 1.0)


def test_acquiring_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="cannot acquire"):
        admission.Admission(1).try_acquire(0, 0.0)


@pytest.mark.parametrize(("limit", "window"), [(0, 1.0), (1, 0.0)])
def test_a_gate_without_room_or_memory_is_a_bug(limit: int, window: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        admission.Admission(limit, window)


@pytest.mark.parametrize(
    ("per_second", "count", "seconds"),
    [(1, 1, 1), (1, 5, 5), (2, 5, 3), (100, 5, 1), (0.2, 5, 25), (0.1, 10, 60)],
)
def test_the_wait_follows_the_drain_rate(per_second: float, count: int, seconds: int) -> None:
    gate = admission.Admission(10)
    gate.try_acquire(10, 0.0)
    step = 1 / per_second
    now = 0.0
    while now < 100.0:
        now += step
        gate.release(1, now)
        gate.try_acquire(1, now)

    assert gate.retry_after(count, now) == pytest.approx(seconds, abs=1)


def test_the_wait_is_short_when_a_burst_has_just_begun() -> None:
    gate = admission.Admission(4)
    gate.try_acquire(4, 100.0)

    assert gate.retry_after(1, 100.1) == 1


def test_the_wait_is_long_when_nothing_leaves() -> None:
    gate = admission.Admission(100)
    gate.try_acquire(100, 0.0)

    assert gate.retry_after(50, 1000.0) == 60


def test_completions_outside_the_window_are_forgotten() -> None:
    gate = admission.Admission(10, window=10.0)
    gate.try_acquire(10, 0.0)
    gate.release(5, 1.0)
    gate.try_acquire(5, 1.0)

    assert gate.retry_after(5, 5.0) == 5
    assert gate.retry_after(5, 12.0) == 50


Step = tuple[bool, int, float]


@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 8), st.floats(0.0, 30.0)), max_size=60),
)
def test_the_limit_holds_and_the_wait_is_in_bounds(limit: int, steps: list[Step]) -> None:
    gate = admission.Admission(limit)
    held: list[int] = []
    now = 0.0
    for enters, count, passed in steps:
        now += passed
        if enters:
            fits = sum(held) + count <= limit
            assert gate.try_acquire(count, now) is fits
            held += [count] if fits else []
        elif held:
            gate.release(held.pop(), now)
        assert gate.in_flight == sum(held) <= limit
        assert gate.full is (sum(held) == limit)
        wait = gate.retry_after(count, now)
        assert isinstance(wait, int)
        assert 1 <= wait <= 60


@settings(max_examples=20)
@given(st.lists(st.floats(0.0, 0.01), min_size=200, max_size=300))
def test_memory_does_not_grow_with_the_rate(gaps: list[float]) -> None:
    gate = admission.Admission(1, window=1.0)
    now = 0.0
    for gap in gaps:
        now += gap
        gate.try_acquire(1, now)
        gate.release(1, now)

    assert len(gate._left) <= 21


def test_the_wait_for_the_only_place_is_that_of_those_before() -> None:
    """It is empty between two of them, which must not make it look as if it had just begun."""
    gate = admission.Admission(1, window=60.0)
    now = 0.0
    for _ in range(3):
        gate.try_acquire(1, now)
        now += 10.0
        gate.release(1, now)
    gate.try_acquire(1, now)

    assert gate.retry_after(1, now) >= 6
