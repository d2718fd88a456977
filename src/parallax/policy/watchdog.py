"""When a run has taken so long that it will not end. Pure: times are arguments.

A thread that computes cannot be stopped, so a model that hangs costs its process, and with it what
else ran there. Therefore a run gets many times what runs like it took; of a model of which nothing
is known it gets as long as any worker may be busy with one thing.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R", bound=Hashable)

TIMES = 20.0
"""How many times its expected duration a run may take."""
LEAST = 5.0
"""Seconds that every run may take: a machine may be busy with something else for a while."""
LOOK_EVERY = 0.5
"""Seconds between two looks."""
_BLIND_AFTER = 4 * LOOK_EVERY
"""A look that comes later than this after the one before tells that the process itself stood still,
and its runs with it."""


def limit(expected: float, longest: float) -> float:
    """Return the seconds that a run may take which is expected to take ``expected`` (0: unknown).

    ``longest`` is what no run may exceed, whatever was learnt.
    """
    if expected <= 0.0:
        return longest
    return min(longest, max(LEAST, TIMES * expected))


@dataclass(slots=True)
class _Watched:
    since: float
    limit: float


class Watchdog(Generic[R]):
    """Knows since when runs are under way, and how long each may take."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._runs: dict[R, _Watched] = {}
        self._looked: float | None = None

    def begin(self, run: R, expected: float, now: float) -> None:
        """A run has begun."""
        self._runs[run] = _Watched(now, limit(expected, self._longest))

    def end(self, run: R) -> None:
        """A run has ended."""
        self._runs.pop(run, None)

    def limit_of(self, run: R) -> float:
        """Return the seconds that a run under way may take."""
        return self._runs[run].limit

    def overdue(self, now: float) -> list[R]:
        """Return the runs that have taken too long; to be asked every ``LOOK_EVERY`` seconds."""
        looked, self._looked = self._looked, now
        if looked is not None and now - looked > _BLIND_AFTER:
            for each in self._runs.values():
                each.since += now - max(looked, each.since)
        return [run for run, each in self._runs.items() if now - each.since > each.limit]
