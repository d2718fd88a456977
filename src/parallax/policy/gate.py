"""Whether a request is let in: there is a place for its pictures, and they will be answered while
somebody still waits for them.

A refusal that comes at once costs its client nothing and the server almost nothing; an acceptance
that ends in a timeout costs both. Time is an argument.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum

from parallax.policy import admission, forecast, impatience

EXPECTED_FOR = 1.0
"""Seconds for which a request that is being read counts as if it were in flight. Longer, and
clients that never send their bodies would keep all others out."""
TRIAL_EVERY = 1.0
"""Seconds after which one is let in that would be refused for coming too late: else nobody could
find out that the forecast is wrong, when it was made by requests unlike this one."""
MARGIN = 0.6
"""A forecast may take up to this part of the time that a request has: it does not see how long the
request took to be read, and what it says of one request is true of the mean."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to be in flight."""

    model: str
    count: int
    """Pictures."""
    place: int
    """Pictures in flight when it was given, these included."""
    at: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in."""

    retry_after: int
    """Whole seconds after which it probably will be."""
    wait: float | None
    """Seconds that it would have taken, if that is the reason; None: all places are taken."""


class Left(Enum):
    """How a request came to its end."""

    ANSWERED = "answered"
    HUNG_UP = "hung up"
    """The client did not wait for the end."""
    EXPIRED = "expired"
    """Its deadline passed."""
    FAILED = "failed"
    """Its end says nothing about how long others will take."""


class Gate:
    """Gives tickets to the requests of one api process."""

    def __init__(self, limit: int) -> None:
        self._places = admission.Admission(limit)
        self._forecast = forecast.Forecast()
        self._impatience: dict[str, impatience.Impatience] = {}
        self._expected: deque[float] = deque()
        self._tried_at = -math.inf
        self._trials = 0

    @property
    def limit(self) -> int:
        """Pictures that may be in flight."""
        return self._places.limit

    @property
    def in_flight(self) -> int:
        """Pictures in flight."""
        return self._places.in_flight

    def enter(self, model: str, count: int, patience: float, now: float) -> Ticket | Refusal:
        """Let ``count`` pictures of a request in that has ``patience`` seconds, or say why not."""
        place = self.in_flight + count
        wait = self._forecast.wait(model, place, now)
        refusal = self._late(wait, min(MARGIN * patience, self._bound(model, now)), self.in_flight)
        if refusal is not None:
            self._try(now)
            if not self._trials:
                return refusal
            self._trials = 0
        if not self._places.try_acquire(count, now):
            return Refusal(self._places.retry_after(count, now), None)
        return Ticket(model, count, self.in_flight, now)

    def hopeless(self, patience: float, now: float, *, expected: bool = False) -> Refusal | None:
        """Return the refusal of a request of which nothing is known yet but its patience.

        ``expected`` says that it may be one of those that were expected.
        """
        coming = self._coming(now)
        place = self.in_flight + (max(1, coming) if expected else coming + 1)
        if place > self.limit:
            return Refusal(self._places.retry_after(place - self.in_flight, now), None)
        longest = max((self._bound(model, now) for model in self._impatience), default=math.inf)
        wait = self._forecast.least(place, now)
        refusal = self._late(wait, min(MARGIN * patience, longest), place - 1)
        if refusal is not None:
            self._try(now)
        return None if self._trials else refusal

    def expect(self, now: float) -> None:
        """Note that a request comes that is not hopeless: it takes a place when it is read."""
        self._expected.append(now)

    def arrived(self) -> None:
        """Note that a request is read, or that it came to nothing."""
        if self._expected:
            self._expected.popleft()

    def leave(self, ticket: Ticket, left: Left, now: float) -> None:
        """Take a ticket back, and learn from it."""
        self._places.release(ticket.count, now)
        seconds = now - ticket.at
        if left is Left.ANSWERED:
            self._forecast.answered(ticket.model, ticket.place, seconds, now)
            self._of(ticket.model).answered(seconds, now)
        elif left is Left.EXPIRED:
            self._forecast.unanswered(ticket.model, ticket.place, seconds, now)
        elif left is Left.HUNG_UP:
            self._of(ticket.model).hung_up(seconds, now)

    def _coming(self, now: float) -> int:
        while self._expected and now - self._expected[0] > EXPECTED_FOR:
            self._expected.popleft()
        return len(self._expected)

    def _try(self, now: float) -> None:
        if now - self._tried_at >= TRIAL_EVERY:
            self._tried_at, self._trials = now, 1

    def _late(self, wait: float, allowed: float, before: int) -> Refusal | None:
        if not before or wait <= allowed:  # an idle server learns from whoever comes
            return None
        seconds = math.ceil(wait - allowed)
        return Refusal(max(admission.LEAST_WAIT, min(admission.MOST_WAIT, seconds)), wait)

    def _of(self, model: str) -> impatience.Impatience:
        known = self._impatience.get(model)
        if known is None:
            if len(self._impatience) >= forecast.MOST_MODELS:
                self._impatience.pop(next(iter(self._impatience)))
            known = self._impatience[model] = impatience.Impatience()
        return known

    def _bound(self, model: str, now: float) -> float:
        known = self._impatience.get(model)
        return math.inf if known is None else known.bound(now)
