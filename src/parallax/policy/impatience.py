"""How long clients wait before they give up, told from those who did.

A client that hangs up tells nobody beforehand when it will. If the queue is longer than its
patience, each picture is given up just before its turn, and all work is for nobody. So when many
hang up, the queue is kept shorter than what they waited. Time is an argument.
"""

import math
import statistics
from collections import deque

WINDOW = 5.0
"""Seconds for which a departure counts."""
SHARE = 0.25
"""Of those who leave, how many may hang up without a consequence: people close pages. When all wait
too long, nearly all hang up."""
FEW = 5
"""So many may in any case."""
MARGIN = 0.8
"""The queue is kept to this part of what the impatient waited."""
LIFT = 1.01
"""Factor by which the bound rises each second that nobody hangs up, to find out about today."""
FORGOTTEN = 60.0
"""Seconds without anybody who hangs up, after which there is no bound any more. A crowd that is
still there shows itself long before, when the bound has risen to what it waits; without an end a
few seconds of hang-ups would keep the server from its work for minutes."""
FLOOR = 1.5
"""The bound is never below this many times the quickest answer: shorter queues leave cores idle,
and clients that hang up early, again and again, would take the server from all others."""
HALVING = 600.0
"""Seconds after which a quickest answer counts as half as quick."""
LONG_AGO = 6 * 3600.0
"""Seconds after which the quickest answer rises no more: what grows for days overflows."""
AGES = 64
"""Of so many who hung up last it is known how long they waited."""
_UNBOUNDED = float("inf")


class Impatience:
    """Learns from every departure; the memory is bounded."""

    def __init__(self) -> None:
        self._answered = _Recent()
        self._gone = _Recent()
        self._ages: deque[tuple[float, float]] = deque(maxlen=AGES)
        self._bound = _UNBOUNDED
        self._bounded_at = 0.0
        self._quickest = _UNBOUNDED
        self._quickest_at = 0.0

    def answered(self, seconds: float, now: float) -> None:
        """Learn that a request was answered after ``seconds``."""
        self._answered.add(now)
        if seconds <= self._quickest_by(now):
            self._quickest, self._quickest_at = seconds, now

    def hung_up(self, seconds: float, now: float) -> None:
        """Learn that a client hung up after ``seconds``, without an answer.

        Who left before anybody could have been answered says nothing about the queue.
        """
        quickest = self._quickest_by(now)
        if math.isfinite(quickest) and seconds < quickest:
            return
        self._gone.add(now)
        self._ages.append((now, seconds))
        gone, answered = self._gone.count(now), self._answered.count(now)
        ages = [waited for at, waited in self._ages if now - at <= WINDOW]
        if len(ages) >= FEW and gone >= SHARE * (gone + answered):
            bound = MARGIN * statistics.quantiles(ages, n=10, method="inclusive")[0]
            self._bound, self._bounded_at = min(bound, self.bound(now)), now

    def bound(self, now: float) -> float:
        """Return the seconds beyond which nobody should be made to wait; infinite if unknown."""
        since = now - self._bounded_at
        if math.isinf(self._bound) or since >= FORGOTTEN:
            return _UNBOUNDED
        lifted = self._bound * math.pow(LIFT, since)
        quickest = self._quickest_by(now)
        return lifted if math.isinf(quickest) else max(lifted, FLOOR * quickest)

    def _quickest_by(self, now: float) -> float:
        return self._quickest * math.pow(2.0, min(now - self._quickest_at, LONG_AGO) / HALVING)


class _Recent:
    """How many there were in about the last window; older ones fade."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._at = 0.0

    def add(self, now: float) -> None:
        self._sum, self._at = self.count(now) + 1.0, now

    def count(self, now: float) -> float:
        return self._sum * math.exp((self._at - now) / WINDOW)
