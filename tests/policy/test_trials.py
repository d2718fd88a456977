"""Whom the death of an inference loop is held against, and when a load is over."""

import pytest

from parallax.policy import trials

GUILTY, OTHER = ("bad", "v1"), ("good", "v1")
LATE = "loading took over 10 s"


@pytest.fixture
def made() -> trials.Trials:
    return trials.Trials(10.0)


def kill(made: trials.Trials, version: trials.Version, took: float, loop: str = "infer:0") -> str:
    """Let a loop load a version for so long and then die; return why it had to be killed."""
    made.begin(loop, version, 100.0)
    why = made.overdue(loop, 100.0 + took)
    made.died(loop)
    return why


@pytest.mark.parametrize(
    ("lives", "verdict"),
    [
        ([], ""),
        ([10.1], ""),
        ([10.1, 10.1], LATE),
        ([9.9, 9.9], trials.DIES),
        ([10.1, 9.9], trials.DIES),
        ([9.9, 10.1], LATE),
    ],
)
def test_two_deaths_give_a_version_up(
    made: trials.Trials, lives: list[float], verdict: str
) -> None:
    for took in lives:
        kill(made, GUILTY, took)

    assert made.verdict(GUILTY) == verdict
    assert made.verdict(OTHER) == ""
    assert made.given_up() == (f"model bad, version v1: {verdict}" if verdict else "")


@pytest.mark.parametrize(
    ("took", "why"), [(10.0, ""), (10.1, f"loading model bad, version v1, {LATE[8:]}")]
)
def test_a_load_is_overdue_after_the_limit(made: trials.Trials, took: float, why: str) -> None:
    assert kill(made, GUILTY, took) == why


def test_a_loop_is_killed_once_for_one_load(made: trials.Trials) -> None:
    made.begin("infer:0", GUILTY, 0.0)

    assert made.overdue("infer:0", 11.0)
    assert not made.overdue("infer:0", 12.0)


def test_a_loop_that_loads_nothing_is_never_overdue_and_blames_nobody(made: trials.Trials) -> None:
    made.begin("infer:0", GUILTY, 0.0)
    made.end("infer:0")

    assert made.overdue("infer:0", 99.0) == ""
    for _ in range(3):
        made.died("infer:0")
    assert made.given_up() == ""


def test_each_load_of_a_start_has_the_whole_time_and_its_own_blame(made: trials.Trials) -> None:
    for _ in range(2):
        made.begin("infer:0", OTHER, 0.0)
        made.begin("infer:0", GUILTY, 9.0)
        assert made.overdue("infer:0", 18.0) == ""
        made.died("infer:0")

    assert made.verdict(OTHER) == ""
    assert made.verdict(GUILTY) == trials.DIES


def test_deaths_of_all_loops_count_together(made: trials.Trials) -> None:
    kill(made, GUILTY, 11.0, "infer:0")
    kill(made, GUILTY, 11.0, "infer:1")

    assert made.verdict(GUILTY) == LATE


def test_a_version_that_was_loaded_after_a_death_is_innocent(made: trials.Trials) -> None:
    kill(made, GUILTY, 11.0)
    made.begin("infer:0", GUILTY, 200.0)
    made.end("infer:0")
    kill(made, GUILTY, 11.0)

    assert made.verdict(GUILTY) == ""


def test_a_version_may_be_tried_again(made: trials.Trials) -> None:
    for _ in range(2):
        kill(made, GUILTY, 11.0)
    made.forget(GUILTY)

    assert made.verdict(GUILTY) == ""


def test_time_in_which_nobody_could_look_does_not_count(made: trials.Trials) -> None:
    made.begin("infer:0", GUILTY, 0.0)
    made.excuse("infer:0", 50.0)
    made.excuse("infer:1", 50.0)

    assert made.overdue("infer:0", 60.0) == ""
    assert made.overdue("infer:0", 60.1)
