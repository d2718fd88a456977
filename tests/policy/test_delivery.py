"""Verdicts on delivered entries, by table."""

import pytest

from parallax.contract import messages
from parallax.policy import delivery

WORK, EXPIRED, BURY = delivery.Verdict.WORK, delivery.Verdict.EXPIRED, delivery.Verdict.BURY


def route(origin: str = "here", deadline: float = 100.0, budget_ms: int = 250) -> messages.Route:
    return messages.Route("r", 0, "api", origin, deadline, budget_ms)


@pytest.mark.parametrize(
    ("losses", "left", "verdict"),
    [
        (0, 1.0, WORK),
        (2, 1.0, WORK),
        (3, 1.0, BURY),
        (4, 1.0, BURY),
        (0, 0.0, EXPIRED),
        (0, -1.0, EXPIRED),
        (3, -1.0, BURY),
    ],
)
def test_verdict(losses: int, left: float, verdict: delivery.Verdict) -> None:
    assert delivery.judge(losses, 3, left) is verdict


def test_the_deadline_of_this_node_is_read_from_its_clock() -> None:
    assert delivery.remaining(route(), "here", 99.0) == pytest.approx(1.0)
    assert delivery.remaining(route(), "here", 101.0) == pytest.approx(-1.0)


def test_another_node_grants_what_was_left_at_the_hand_over() -> None:
    assert delivery.remaining(route("there"), "here", 1e6) == pytest.approx(0.25)


def test_another_node_with_no_time_left_has_expired() -> None:
    left = delivery.remaining(route("there", budget_ms=0), "here", 0.0)

    assert delivery.judge(0, 3, left) is EXPIRED
