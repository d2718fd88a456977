"""How much work an api process may have in flight, and when a refused client should come back.

A queue without a bound only turns overload into timeouts. The answer to "when again?" comes from
how fast pictures have been leaving lately, so that clients of a slow model wait longer than those
of a quick one. Time is an argument: nothing here knows a clock.
"""

import math
from collections import deque

LEAST_WAIT = 1
MOST_WAIT = 60
_TICKS_PER_WINDOW = 20


class Admission:
    """Counts pictures in flight against a limit: all pictures of a request get in, or none."""

    def __init__(self, limit: int, window: float = 10.0) -> None:
        if limit < 1 or window <= 0:
            raise ValueError(f"limit {limit} and window {window} must be positive")
        self.limit = limit
        self.in_flight = 0
        self._window = window
        self._tick = window / _TICKS_PER_WINDOW
        self._busy_since = 0.0
        self._left: deque[tuple[float, int]] = deque()
        """Pictures that left, summed per tick: the memory is bounded whatever the rate."""

    @property
    def full(self) -> bool:
        """Whether not even one more picture may come in."""
        return self.in_flight >= self.limit

    def try_acquire(self, count: int, now: float) -> bool:
        """Take ``count`` places, or none of them."""
        if count < 1:
            raise ValueError(f"cannot acquire {count} places")
        if self.in_flight + count > self.limit:
            return False
        if self.in_flight == 0:
            self._busy_since = now
        self.in_flight += count
        return True

    def release(self, count: int, now: float) -> None:
        """Give ``count`` places back, because their pictures are answered or given up."""
        if not 1 <= count <= self.in_flight:
            raise ValueError(f"cannot release {count} of {self.in_flight} places")
        self.in_flight -= count
        self._forget(now)
        if self._left and now - self._left[-1][0] < self._tick:
            since, before = self._left.pop()
            self._left.append((since, before + count))
        else:
            self._left.append((now, count))

    def retry_after(self, count: int, now: float) -> int:
        """Whole seconds after which ``count`` pictures will probably find room.

        With nothing finished yet, "fewer than one in the time we have been busy" is the best
        estimate.
        """
        excess = max(1, self.in_flight + count - self.limit)
        self._forget(now)
        finished = sum(left for _, left in self._left)
        since = min(self._busy_since, self._left[0][0]) if self._left else self._busy_since
        observed = min(self._window, max(0.0, now - since))
        wait = math.ceil(excess * observed / max(1, finished))
        return max(LEAST_WAIT, min(MOST_WAIT, wait))

    def _forget(self, now: float) -> None:
        while self._left and self._left[0][0] <= now - self._window:
            self._left.popleft()
