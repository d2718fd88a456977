"""What became of the requests of one client that count, and what crosses to the parent process."""

from array import array
from collections import Counter

import msgspec

from parallax.bench import connection, plan, targets

REFUSED = frozenset({"429", "503"})
"""Answers that say "not now"."""
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
    refusals: bytes
    """The same of the answers that refuse."""
    errors: dict[str, int]
    reasons: dict[str, str]
    """What was said of the first error of each kind."""
    sent: int
    late: int
    """Requests that this process noticed more than ``LATE`` after they should have left."""
    held: int
    """Requests that had to wait here because as many as allowed were in flight."""
    last: float
    """Moment (monotonic) of the last right answer that counts; 0 if there is none."""
    cpu: float
    """CPU seconds of this process from the end of the warm-up to the end of the phase."""


class Tally:
    """Looks at each answer, and keeps what counts."""

    def __init__(self, order: Order) -> None:
        self.late = 0
        self.held = 0
        self._judge = targets.judge(order.api)
        self._sizes = order.sizes
        self._latencies = array("d")
        self._refusals = array("d")
        self._errors: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._last = 0.0

    def verdict(self, outcome: str, body: bytes, picture: int) -> str:
        """Return "" for a right answer, or the kind of error."""
        if outcome != "200":
            return outcome
        return "" if self._judge(body, self._sizes[picture]) else connection.MALFORMED

    def add(self, verdict: str, start: float, now: float, body: bytes = b"") -> None:
        """Count the end of a request."""
        if verdict:
            self._errors[verdict] += 1
            if verdict in REFUSED:
                self._refusals.append(now - start)
            if verdict not in self._reasons:
                self._reasons[verdict] = targets.reason(body)
        else:
            self._last = now
            self._latencies.append(now - start)

    def outcome(self, cpu: float) -> Outcome:
        """Return all of it."""
        return Outcome(
            latencies=self._latencies.tobytes(),
            refusals=self._refusals.tobytes(),
            errors=dict(self._errors),
            reasons={kind: said for kind, said in self._reasons.items() if said},
            sent=len(self._latencies) + self._errors.total(),
            late=self.late,
            held=self.held,
            last=self._last,
            cpu=cpu,
        )
