"""From the process table to the truth for ``/readiness``."""

import pytest

from parallax.contract import lifeline
from parallax.supervisor import health


def row(role: str, state: str = "ready", slot: int = 0) -> lifeline.ProcessInfo:
    return lifeline.ProcessInfo(role, slot, 7, state, 0, 1.0)


ALL = [row("supervisor"), row("broker"), row("infer"), row("pre"), row("post"), row("api")]


def test_a_tree_with_every_role_alive_is_ready() -> None:
    judged = health.judge(ALL, broker_up=True, at=5.0)

    assert (judged.ready, judged.reason, judged.at) == (True, "", 5.0)
    assert judged.processes == tuple(ALL)


@pytest.mark.parametrize("role", ["infer", "pre", "post"])
@pytest.mark.parametrize("state", ["starting", "backing-off", "stopping", "stopped"])
def test_a_role_without_a_live_process_is_named(role: str, state: str) -> None:
    rows = [row(each.role, state) if each.role == role else each for each in ALL]

    judged = health.judge(rows, broker_up=True, at=0.0)

    assert (judged.ready, judged.reason) == (False, f"no live process: {role}")


def test_one_live_process_of_a_role_is_enough() -> None:
    rows = [*ALL, row("pre", "backing-off", 1)]

    assert health.judge(rows, broker_up=True, at=0.0).ready


def test_all_missing_roles_are_named_in_the_order_of_their_weight() -> None:
    judged = health.judge([], broker_up=True, at=0.0)

    assert judged.reason == "no live process: infer, pre, post"


def test_a_broker_that_is_down_is_the_reason_before_all_others() -> None:
    assert health.judge([], broker_up=False, at=0.0).reason == "the broker does not answer"
    assert not health.judge(ALL, broker_up=False, at=0.0).ready


def judged(at: float, *rows: lifeline.ProcessInfo) -> lifeline.Health:
    return health.judge(rows, broker_up=True, at=at)


def test_readiness_that_is_lost_and_regained_is_told_once_each() -> None:
    lacking = [each for each in ALL if each.role != "pre"]
    looks = [judged(1.0, *ALL), judged(2.0, *lacking), judged(3.0), judged(5.5, *ALL)]
    readiness = health.Readiness()

    told = [readiness.look(each) for each in [*looks, judged(6.0, *ALL), judged(7.0, *lacking)]]

    lost = "the server is not ready: no live process: pre"
    assert told == ["", lost, "", "the server is ready again after 3.5 s", "", lost]
