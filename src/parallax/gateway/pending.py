"""The table of requests that wait for replies.

Each part keeps what was submitted until it is answered, so that it can be submitted again when the
broker has lost it. The table does no I/O and knows no clock; the only thing of asyncio in it is the
future that a request waits on, which is why a reply, a deadline and a hang-up cannot both win.
"""

import asyncio
from dataclasses import dataclass

from parallax.contract import errors, messages


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one picture."""

    bulk: bytes
    timings: messages.Timings
    total_ms: float
    """From the acceptance of the request to the arrival of this reply."""

    @property
    def queue_ms(self) -> float:
        """Time in which nobody worked on the picture."""
        worked = self.timings.pre_ms + self.timings.infer_ms + self.timings.post_ms
        return max(0.0, self.total_ms - worked)


class Part:
    """One picture of a request, from its submission to its answer."""

    __slots__ = (
        "answer",
        "bulk",
        "cause",
        "flight",
        "item",
        "letter",
        "place",
        "queued",
        "record",
        "work",
    )

    def __init__(
        self, flight: "Flight", work: bytes, bulk: bytes, place: messages.ArrayRef | None
    ) -> None:
        self.flight = flight
        self.item = len(flight.parts)
        self.work = work
        self.bulk = bulk
        """The picture, unless it is in the slab."""
        self.place = place
        """Where in the slab it is."""
        self.record = ""
        """Id of the request's record in the broker; empty until it is there."""
        self.queued = True
        """Waits to be submitted (again)."""
        self.answer: Answer | None = None
        self.letter = ""
        """Id of the dead letter that it has become, if it has."""
        self.cause = ""
        """Code of the error for which it has."""

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for this part."""
        return self.answer is None and not self.flight.done.done()


class Flight:
    """One request in flight: all its parts, and the future that its handler waits on."""

    __slots__ = ("done", "exchange", "missing", "model", "parts", "request", "started")

    def __init__(self, request: str, started: float, done: asyncio.Future[None]) -> None:
        self.request = request
        self.started = started
        self.done = done
        self.model = ""
        self.exchange = ""
        """Id that the client knows the request by; empty if there is none."""
        self.parts: list[Part] = []
        self.missing = 0

    def add(self, work: bytes, bulk: bytes, place: messages.ArrayRef | None = None) -> None:
        """Add the next picture."""
        self.parts.append(Part(self, work, bulk, place))
        self.missing += 1

    def fail(self, problem: errors.ParallaxError) -> None:
        """Give the whole request up; the first cause wins."""
        if not self.done.done():
            self.done.set_exception(problem)

    def answers(self) -> list[Answer]:
        """The answers in the order of the pictures."""
        return [part.answer for part in self.parts if part.answer is not None]


class Pending:
    """Requests in flight by request id, and their parts by item."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def open(self, flight: Flight) -> None:
        """Enter a request; must happen before any of it is submitted, or a quick reply is lost."""
        self._flights[flight.request] = flight

    def close(self, flight: Flight) -> list[Part]:
        """Take a request out; returns the parts whose work nobody wants any more."""
        self._flights.pop(flight.request, None)
        return [part for part in flight.parts if part.answer is None]

    def find(self, request: str, item: int) -> Part | None:
        """Return the part that waits for this reply, if any does."""
        flight = self._flights.get(request)
        if flight is None or not 0 <= item < len(flight.parts):
            return None
        part = flight.parts[item]
        return part if part.wanted else None

    def settle(self, part: Part, answer: Answer) -> None:
        """Record the answer of a wanted part; the last one completes the request."""
        part.answer = answer
        part.work = part.bulk = b""
        flight = part.flight
        flight.missing -= 1
        if not flight.missing:
            flight.done.set_result(None)

    def submitted(self, youngest: float) -> list[Part]:
        """All wanted parts whose record should be in the broker, of requests up to this young."""
        return [
            part
            for flight in self._flights.values()
            if flight.started <= youngest
            for part in flight.parts
            if part.record and not part.queued and part.wanted
        ]

    def fail_all(self, problem: errors.ParallaxError) -> None:
        """Give all requests up."""
        for flight in self._flights.values():
            flight.fail(problem)
