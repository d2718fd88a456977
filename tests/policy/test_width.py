"""Which runs may take several cores."""

from collections.abc import Sequence

import pytest

from parallax.policy import width


def runs(trial: width.Trial, count: int, one: float, several: float) -> list[bool]:
    """Run as told; return which runs took several cores."""
    taken = []
    for _ in range(count):
        wide = trial.choose()
        trial.learn(wide, several if wide else one)
        taken.append(wide)
    return taken


@pytest.mark.parametrize(
    ("starts", "alone"),
    [
        ([(0, 0), (0, 0), (0, 0)], [True, True, True]),
        ([(0, 0), (1, 0), (0, 0), (0, 0)], [True, False, False, True]),
        ([(0, 3), (0, 0), (0, 0)], [False, False, True]),
    ],
    ids=["nobody else", "met one in flight", "others waited"],
)
def test_a_run_is_alone_when_neither_it_nor_the_one_before_met_others(
    starts: Sequence[tuple[int, int]], alone: Sequence[bool]
) -> None:
    solitude = width.Solitude()

    assert [solitude.starts(running, waiting) for running, waiting in starts] == alone


def test_a_trial_lets_both_have_as_many_runs_in_turn() -> None:
    taken = runs(width.Trial(), 2 * width.Trial.EACH, 1.0, 0.5)

    assert taken == [False, True] * width.Trial.EACH


@pytest.mark.parametrize(("several", "worth"), [(0.5, True), (0.84, True), (0.9, False)])
def test_several_cores_are_taken_after_it_if_they_were_clearly_faster(
    several: float, worth: bool
) -> None:
    trial = width.Trial()
    runs(trial, 2 * width.Trial.EACH, 1.0, several)

    assert trial.worth is worth
    assert runs(trial, 50, 1.0, several) == [worth] * 50


def test_one_slow_run_decides_nothing() -> None:
    trial = width.Trial()
    trial.learn(True, 100.0)
    runs(trial, 2 * width.Trial.EACH, 1.0, 0.5)

    assert trial.worth


def test_what_came_at_a_bad_time_is_tried_again() -> None:
    trial = width.Trial()
    runs(trial, 2 * width.Trial.EACH, 1.0, 2.0)
    runs(trial, width.Trial.HELD, 1.0, 0.5)
    runs(trial, 2 * width.Trial.EACH, 1.0, 0.5)

    assert trial.worth


def test_the_moment_of_the_decision_is_told_once() -> None:
    trial = width.Trial()

    told = [trial.learn(trial.choose(), 1.0) for _ in range(4 * width.Trial.EACH)]

    assert told.count(True) == 1
