"""Deadlines of connections, with made-up times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.gateway.edge import patience
from parallax.gateway.edge.patience import Phase, Verdict

RULES = patience.Rules()


@pytest.mark.parametrize(
    ("phase", "seconds", "verdict"),
    [
        (Phase.IDLE, RULES.idle, Verdict.CLOSE),
        (Phase.HEADERS, RULES.headers, Verdict.TIMEOUT),
        (Phase.SKIPPING, RULES.skipping, Verdict.ABORT),
        (Phase.CLOSING, RULES.farewell, Verdict.ABORT),
    ],
)
def test_each_phase_ends_in_its_time(phase: Phase, seconds: float, verdict: Verdict) -> None:
    watch = patience.Watch(0.0)
    watch.enter(phase, 0.0)

    assert watch.judge(RULES, seconds - 0.1, 0, None) is Verdict.KEEP
    assert watch.judge(RULES, seconds, 0, None) is verdict


def test_the_application_sees_to_the_end_of_a_request() -> None:
    watch = patience.Watch(0.0)
    watch.enter(Phase.BUSY, 0.0)

    assert watch.judge(RULES, 1e6, 0, 0.0) is Verdict.KEEP


def test_entering_a_phase_again_does_not_put_its_end_off() -> None:
    watch = patience.Watch(0.0)
    watch.enter(Phase.HEADERS, 0.0)
    watch.enter(Phase.HEADERS, 10.0)

    assert watch.judge(RULES, RULES.headers, 0, None) is Verdict.TIMEOUT


def test_a_client_that_takes_nothing_is_dropped_in_any_phase() -> None:
    watch = patience.Watch(0.0)
    watch.enter(Phase.BUSY, 0.0)
    watch.written = 1000

    assert watch.judge(RULES, 1.0, 900, None) is Verdict.KEEP
    assert watch.judge(RULES, RULES.stalled + 0.9, 900, None) is Verdict.KEEP
    assert watch.judge(RULES, RULES.stalled + 1.0, 900, None) is Verdict.ABORT


def test_a_client_that_takes_a_little_is_kept_even_when_more_is_written() -> None:
    watch = patience.Watch(0.0)
    watch.enter(Phase.BUSY, 0.0)
    for step in range(1, 10):
        watch.written += 100
        assert watch.judge(RULES, step * 20.0, watch.written - step, None) is Verdict.KEEP


def test_what_waits_to_be_sent_keeps_a_closing_connection() -> None:
    watch = patience.Watch(0.0)
    watch.enter(Phase.CLOSING, 0.0)
    watch.written = 1000

    assert watch.judge(RULES, RULES.farewell, 10, None) is Verdict.KEEP
    assert watch.judge(RULES, RULES.farewell + 1, 0, None) is Verdict.ABORT


@given(since=st.floats(0, 50), draining=st.floats(0, 50), later=st.floats(0, 100))
def test_while_draining_an_idle_connection_gets_its_moment_and_no_more(
    since: float, draining: float, later: float
) -> None:
    watch = patience.Watch(since)
    begin = max(since, draining)
    now = begin + later

    verdict = watch.judge(RULES, now, 0, draining)

    if later < RULES.drain - 1e-6 and now - since < RULES.idle - 1e-6:
        assert verdict is Verdict.KEEP
    if later > RULES.drain + 1e-6:
        assert verdict is Verdict.CLOSE


def test_one_beyond_the_limit_gets_a_moment_only() -> None:
    watch = patience.Watch(0.0, crowded=True)

    assert watch.judge(RULES, RULES.crowded, 0, None) is Verdict.CLOSE
    watch.enter(Phase.HEADERS, 0.0)
    assert watch.judge(RULES, RULES.crowded, 0, None) is Verdict.TIMEOUT
