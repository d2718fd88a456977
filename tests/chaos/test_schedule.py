"""A seed decides everything, and leaves nothing out."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from parallax.chaos import schedule

FAULTS = ("kill-pre", "flushall", "stop-api")
seeds = st.integers(0, 10**9)


@given(seeds)
def test_a_seed_repeats_itself(seed: int) -> None:
    first, second = (islice(schedule.steps(seed, FAULTS, 8.0), 12) for _ in range(2))
    assert list(first) == list(second)


def test_another_seed_is_another_schedule() -> None:
    assert len({tuple(islice(schedule.steps(seed, FAULTS, 8.0), 6)) for seed in range(50)}) == 50


@given(seeds, st.integers(1, 5))
def test_every_round_has_every_fault(seed: int, rounds: int) -> None:
    steps = list(islice(schedule.steps(seed, FAULTS, 8.0), rounds * len(FAULTS)))
    for at in range(0, len(steps), len(FAULTS)):
        assert {step.fault for step in steps[at : at + len(FAULTS)]} == set(FAULTS)


@given(seeds, st.floats(0.1, 3600))
def test_holds_and_picks_are_within_bounds(seed: int, every: float) -> None:
    for step in islice(schedule.steps(seed, FAULTS, every), 6):
        assert 0 < step.hold <= min(schedule.LONGEST_HOLD, max(0.5, 2 * every))
        assert all(step.pick(3, nth) in (0, 1, 2) for nth in range(20))


def test_no_faults_make_no_steps() -> None:
    assert list(schedule.steps(1, (), 8.0)) == []
