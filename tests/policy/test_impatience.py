"""What is learned from clients that hang up; time is invented."""

import math

import pytest

from parallax.policy import impatience


def _crowd(learner: impatience.Impatience, count: int, seconds: float, start: float = 0.0) -> float:
    """Let ``count`` clients hang up, ten a second, and return the time of the last."""
    now = start
    for number in range(count):
        now = start + number / 10
        learner.hung_up(seconds, now)
    return now


def test_without_hang_ups_nothing_is_bounded() -> None:
    learner = impatience.Impatience()
    learner.answered(10.0, 0.0)

    assert math.isinf(learner.bound(100.0))


def test_a_few_who_change_their_mind_bound_nothing() -> None:
    learner = impatience.Impatience()
    _crowd(learner, impatience.FEW - 1, 1.0)

    assert math.isinf(learner.bound(1.0))


def test_hang_ups_that_are_rare_among_answers_bound_nothing() -> None:
    learner = impatience.Impatience()
    for number in range(5000):
        learner.answered(0.1, number / 1000)
    for number in range(20):
        learner.hung_up(1.0, 5.0 + number / 1000)

    assert math.isinf(learner.bound(5.0))


def test_many_who_hang_up_bound_the_wait_below_what_they_waited() -> None:
    learner = impatience.Impatience()
    now = _crowd(learner, 20, 1.0)

    assert learner.bound(now) == pytest.approx(impatience.MARGIN)


def test_the_most_impatient_tenth_decides() -> None:
    learner = impatience.Impatience()
    now = 0.0
    for number in range(40):
        now = number / 10
        learner.hung_up(1.0 if number % 2 else 20.0, now)

    assert learner.bound(now) <= 1.0


def test_the_bound_rises_when_nobody_hangs_up() -> None:
    learner = impatience.Impatience()
    now = _crowd(learner, 20, 1.0)

    assert 1.2 * learner.bound(now) < learner.bound(now + 30) < 2.0


def test_a_crowd_that_has_gone_is_forgotten() -> None:
    learner = impatience.Impatience()
    learner.answered(0.02, 0.0)
    now = _crowd(learner, 50, 0.05)

    assert math.isinf(learner.bound(now + impatience.FORGOTTEN))


def test_a_crowd_that_is_still_there_shows_itself_before_it_is_forgotten() -> None:
    learner = impatience.Impatience()
    now = _crowd(learner, 50, 1.0)

    assert learner.bound(now + impatience.FORGOTTEN / 2) > 1.0


def test_clients_that_hang_up_before_anybody_was_ever_answered_bound_nothing() -> None:
    learner = impatience.Impatience()
    learner.answered(0.2, 0.0)
    now = _crowd(learner, 50, 0.19)

    assert math.isinf(learner.bound(now))


def test_clients_that_hang_up_early_cannot_take_the_server_from_the_others() -> None:
    learner = impatience.Impatience()
    learner.answered(0.2, 0.0)
    now = _crowd(learner, 50, 0.25)

    assert learner.bound(now) >= impatience.FLOOR * 0.2
