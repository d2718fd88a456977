"""Quick entries are taken together, slow ones one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.policy import prefetch

WINDOW = 0.004


def after(seconds: float, most: int = 4, times: int = 50) -> prefetch.Prefetch:
    made = prefetch.Prefetch(most, WINDOW)
    for _ in range(times):
        made.learn(seconds)
    return made


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.0001, 4), (0.0009, 4), (0.0015, 2), (0.003, 1), (0.1, 1)]
)
def test_as_many_are_taken_as_are_worked_on_within_the_window(seconds: float, count: int) -> None:
    assert after(seconds).count == count


def test_the_first_is_taken_alone() -> None:
    assert prefetch.Prefetch(4, WINDOW).count == 1


def test_without_a_window_entries_are_taken_one_by_one() -> None:
    made = prefetch.Prefetch(4, 0.0)
    made.learn(0.001)

    assert made.count == 1
    assert not made.lets_wait(0.0)


@pytest.mark.parametrize(("waited", "may"), [(0.0, True), (0.0029, True), (0.0031, False)])
def test_a_finished_entry_waits_no_longer_than_the_window(waited: float, may: bool) -> None:
    assert after(0.001).lets_wait(waited) is may


@given(st.lists(st.floats(0, 100)), st.integers(1, 64), st.floats(0, 1))
def test_there_is_always_something_to_take_and_never_too_much(
    seconds: list[float], most: int, window: float
) -> None:
    made = prefetch.Prefetch(most, window)
    for each in seconds:
        made.learn(each)

    assert 1 <= made.count <= most
