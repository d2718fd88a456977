"""Forecasts of how long a picture will take; time is invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.policy import forecast

_times = st.floats(0.001, 100.0)
_places = st.integers(1, 5000)


def test_nothing_is_said_of_what_was_never_seen() -> None:
    told = forecast.Forecast()
    told.answered("other", 4, 1.0, 0.0)

    assert told.wait("m", 4, 0.0) == 0.0


def test_a_queue_as_long_takes_as_long() -> None:
    told = forecast.Forecast()
    for now in range(50):
        told.answered("m", 100, 2.0, now / 10)

    assert told.wait("m", 100, 5.0) == pytest.approx(2.0)
    assert told.wait("m", 120, 5.0) == pytest.approx(2.4)


def test_an_unknown_longer_queue_takes_at_most_its_share_longer() -> None:
    told = forecast.Forecast()
    told.answered("m", 1, 0.1, 0.0)

    assert told.wait("m", 16, 0.0) == pytest.approx(1.6)


def test_an_unknown_queue_is_quicker_than_a_longer_one_was() -> None:
    told = forecast.Forecast()
    told.answered("m", 1, 0.1, 0.0)
    told.answered("m", 64, 0.32, 0.0)

    assert told.wait("m", 16, 0.0) <= 0.64


def test_what_was_seen_long_ago_refuses_nobody() -> None:
    told = forecast.Forecast()
    told.answered("m", 8, 1000.0, 0.0)

    assert told.wait("m", 8, forecast.FRESH + 1) == 0.0
    told.answered("m", 8, 1.0, forecast.FRESH + 1)
    assert told.wait("m", 8, forecast.FRESH + 1) == pytest.approx(1.0)


def test_what_a_short_queue_says_now_counts_before_what_a_long_one_said() -> None:
    """A stall made all long queues slow; nobody is let into one any more, so it cannot mend."""
    told = forecast.Forecast()
    told.answered("m", 64, 60.0, 0.0)
    told.answered("m", 2, 0.1, 10.0)

    assert told.wait("m", 64, 10.0) == pytest.approx(3.2)


def test_a_deadline_that_passed_counts_only_if_it_surprises() -> None:
    told = forecast.Forecast()
    told.answered("m", 2, 4.0, 0.0)
    told.unanswered("m", 2, 1.0, 0.0)
    assert told.wait("m", 2, 0.0) == pytest.approx(4.0)

    told.unanswered("m", 2, 10.0, 0.0)
    assert told.wait("m", 2, 0.0) > 4.0


def test_the_least_is_that_of_the_quickest_model() -> None:
    told = forecast.Forecast()
    assert told.least(1, 0.0) == 0.0
    told.answered("slow", 1, 5.0, 0.0)
    told.answered("quick", 1, 0.5, 0.0)

    assert told.least(2, 0.0) == pytest.approx(1.0)


@given(st.lists(st.tuples(_places, _times, _times), min_size=1, max_size=40), _places)
def test_a_forecast_lies_between_nothing_and_the_worst_that_was_seen(
    seen: list[tuple[int, float, float]], place: int
) -> None:
    told = forecast.Forecast()
    now = 0.0
    for at, seconds, later in seen:
        now += later
        told.answered("m", at, seconds, now)

    worst = max(max(seconds / at * place, seconds) for at, seconds, _ in seen)
    assert 0.0 <= told.wait("m", place, now) <= worst * (1 + 1e-9)


def test_the_memory_is_bounded() -> None:
    told = forecast.Forecast()
    for number in range(3 * forecast.MOST_MODELS):
        told.answered(f"m{number}", 1, 1.0, 0.0)

    assert len(told._models) == forecast.MOST_MODELS
