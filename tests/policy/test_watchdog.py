"""How long a run may take, and when it is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.policy import watchdog

LONGEST = 20.0
seconds = st.floats(0, 1e6)


def test_a_run_of_which_nothing_is_known_may_take_as_long_as_any() -> None:
    assert watchdog.limit(0.0, LONGEST) == LONGEST


def test_a_run_may_take_many_times_what_is_expected() -> None:
    assert watchdog.limit(0.5, LONGEST) == 0.5 * watchdog.TIMES


@given(expected=seconds, longest=st.floats(watchdog.LEAST, 1e6))
def test_a_limit_lies_between_the_least_and_the_longest(expected: float, longest: float) -> None:
    assert watchdog.LEAST <= watchdog.limit(expected, longest) <= longest


@given(one=seconds, other=seconds)
def test_who_is_expected_to_take_longer_may_take_longer(one: float, other: float) -> None:
    few, many = sorted(each or 1.0 for each in (one, other))
    assert watchdog.limit(few, LONGEST) <= watchdog.limit(many, LONGEST)


def watched(*looks: float) -> watchdog.Watchdog[str]:
    """Return a watchdog of one run that began at 100 and may take 5 s, after some looks."""
    made: watchdog.Watchdog[str] = watchdog.Watchdog(LONGEST)
    made.begin("run", 0.01, 100.0)
    for at in looks:
        assert made.overdue(at) == []
    return made


def test_only_a_run_that_takes_too_long_is_overdue() -> None:
    dog = watched(102.0, 104.0)
    dog.begin("young", 0.01, 104.0)

    assert dog.overdue(105.5) == ["run"]
    assert dog.limit_of("run") == watchdog.LEAST


def test_a_run_that_has_ended_is_never_overdue() -> None:
    dog = watched(102.0)
    dog.end("run")

    assert dog.overdue(103.5) == []


@pytest.mark.parametrize("stood_still", [10.0, 1000.0])
def test_time_in_which_the_process_stood_still_does_not_count(stood_still: float) -> None:
    dog = watched(102.0, 102.0 + stood_still, 103.0 + stood_still, 104.5 + stood_still)

    assert dog.overdue(105.5 + stood_still) == ["run"]
