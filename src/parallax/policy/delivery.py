"""What to do with an entry that has just been delivered, and how much time it has left."""

from enum import Enum

from parallax.contract import messages


class Verdict(Enum):
    """What becomes of a delivered entry."""

    WORK = "work"
    EXPIRED = "expired"
    """Its deadline has passed: answer so, without doing the work."""
    BURY = "bury"
    """It has lost too many owners: to the dead letters."""


def remaining(route: messages.Route, node: str, now: float) -> float:
    """Return the seconds that are left to answer.

    ``now`` is this node's monotonic clock. The deadline of a request from another node is in a
    clock that we cannot read; its budget at the last hand-over then counts from now, and the api
    that waits, which owns the deadline, has the last word.
    """
    if route.origin == node:
        return route.deadline - now
    return route.budget_ms / 1000.0


def judge(losses: int, limit: int, left: float) -> Verdict:
    """Decide on an entry that lost ``losses`` owners and has ``left`` seconds to its deadline."""
    if losses >= limit:
        return Verdict.BURY
    if left <= 0.0:
        return Verdict.EXPIRED
    return Verdict.WORK
