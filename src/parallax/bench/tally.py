"""What became of the requests of one client that count, and what crosses to the parent process."""

import time
from array import array
from collections import Counter

import msgspec

from parallax.bench import connection, plan, targets

LATE = 0.010
"""Seconds by which a request may leave late before the generator is said to have fallen behind."""


class Order(msgspec.Struct, frozen=True):
    """What one client process shall do."""

    address: targets.Address
    api: plan.Api
    requests: list[bytes]
    sizes: list[targets.Size]
    """Of the picture in each request."""
    load: plan.Load
    """This client's part of it."""
    timing: plan.Timing
    seed: int


class Outcome(msgspec.Struct, frozen=True):
    """What one client process found."""

    latencies: bytes
    """Seconds as float64, native order, of the right answers."""
    errors: dict[str, int]
    sent: int
    late: int
    """Requests that left more than ``LATE`` after they should have."""
    last: float
    """Moment (monotonic) of the last thing that counts."""
    cpu: float
    """CPU seconds of this process from the end of the warm-up to the end of the phase."""


class Tally:
    """Looks at each answer, and keeps what counts."""

    def __init__(self, order: Order) -> None:
        self.late = 0
        self._judge = targets.judge(order.api)
        self._sizes = order.sizes
        self._latencies = array("d")
        self._errors: Counter[str] = Counter()
        self._last = 0.0

    def verdict(self, outcome: str, body: bytes, picture: int) -> str:
        """Return "" for a right answer, or the kind of error."""
        if outcome != "200":
            return outcome
        return "" if self._judge(body, self._sizes[picture]) else connection.MALFORMED

    def add(self, verdict: str, start: float, now: float) -> None:
        """Count the end of a request."""
        self._last = now
        if verdict:
            self._errors[verdict] += 1
        else:
            self._latencies.append(now - start)

    def outcome(self, cpu: float) -> Outcome:
        """Return all of it."""
        return Outcome(
            latencies=self._latencies.tobytes(),
            errors=dict(self._errors),
            sent=len(self._latencies) + self._errors.total(),
            late=self.late,
            last=self._last or time.monotonic(),
            cpu=cpu,
        )
