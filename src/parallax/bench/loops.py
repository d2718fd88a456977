"""The two ways to put load on a server.

Closed: so many requests in flight, the next when one is answered. It finds out what a server can
do, and hides queueing, because a slow server is asked less often. Open: requests leave when they
should, whatever became of those before, and latency counts from when they should have left. So the
time that a request spends waiting, for the server or for a connection of this client, is never left
out.
"""

import asyncio
import time
from collections import deque
from typing import Protocol

import numpy as np

from parallax.aio import tasks
from parallax.bench import arrivals, connection, lane, tally

_PAUSE = 0.01
"""Seconds before a closed loop sends again after a wrong answer: a server that is down or refuses
is not to be hammered as fast as this machine can."""
_EARLY = 0.0005
"""Timers have a resolution of 1 ms; what is due within half of it leaves now."""
_SHUFFLED = 4096


class Loop(Protocol):
    """What both ways have in common."""

    finished: asyncio.Future[None]

    def begin(self, start: float) -> None:
        """Send from the moment ``start`` on."""


class _Base:
    def __init__(self, order: tally.Order, kept: tally.Tally, crew: tasks.Crew) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order = order
        self._tally = kept
        self._crew = crew
        self._rng = np.random.default_rng(order.seed)
        self._pictures = arrivals.order(len(order.requests), _SHUFFLED, self._rng)
        self._next = 0
        self._from = self._until = 0.0

    def _measure_from(self, start: float) -> None:
        self._from = start + self._order.timing.warmup
        self._until = self._from + self._order.timing.duration

    def _send(self, place: lane.Lane, start: float, patience: float) -> None:
        place.start = start
        place.picture = self._pictures[self._next % len(self._pictures)]
        self._next += 1
        place.send(self._order.requests[place.picture], patience)

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)


class Closed(_Base):
    """As many lanes as requests in flight. What ends within the phase counts, and every error."""

    def begin(self, start: float) -> None:
        """Send from now on."""
        self._measure_from(start)
        self._running = self._order.load.concurrency
        for _ in range(self._running):
            self._go_on(lane.Lane(self._order.address, self._crew, self._done))

    def _go_on(self, place: lane.Lane) -> None:
        now = time.monotonic()
        if now < self._until:
            self._send(place, now, self._order.timing.timeout)
            return
        place.drop()
        self._running -= 1
        if not self._running:
            self._finish()

    def _done(self, place: lane.Lane, outcome: str, body: bytes) -> None:
        now = time.monotonic()
        verdict = self._tally.verdict(outcome, body, place.picture)
        if self._from <= now and (now < self._until or verdict):
            self._tally.add(verdict, place.start, now, body)
        if verdict:
            asyncio.get_running_loop().call_later(_PAUSE, self._go_on, place)
        else:
            self._go_on(place)


class Open(_Base):
    """Requests at the times of a Poisson process. What should have left within the phase counts."""

    def begin(self, start: float) -> None:
        """Send from ``start`` on."""
        assert self._order.load.rate is not None
        timing = self._order.timing
        self._measure_from(start)
        times = arrivals.poisson(self._order.load.rate, timing.warmup + timing.duration, self._rng)
        self._due = deque(float(each) for each in times + start)
        self._waiting: deque[float] = deque()
        self._free: list[lane.Lane] = []
        self._lanes = 0
        self._flying = 0
        self._release()

    def _release(self) -> None:
        """Send what is due, and come back for the next."""
        now = time.monotonic()
        while self._due and self._due[0] <= now + _EARLY:
            self._note_late(self._due[0], now)
            self._waiting.append(self._due.popleft())
        self._fill()
        if self._due:
            delay = max(0.001, self._due[0] - time.monotonic())
            asyncio.get_running_loop().call_later(delay, self._release)
        self._end_if_done()

    def _fill(self, *, held: bool = False) -> None:
        """Give waiting requests to lanes, oldest first; those whose time is over are errors.

        ``held`` says that they had to wait for a lane.
        """
        while self._waiting:
            now, should = time.monotonic(), self._waiting[0]
            patience = should + self._order.timing.timeout - now
            if patience > 0:
                place = self._lane()
                if place is None:
                    return
                self._flying += 1
                self._send(place, min(should, now), patience)
            elif should >= self._from:
                self._tally.add(connection.TIMEOUT, should, now)
            self._waiting.popleft()
            if held and should >= self._from:
                self._tally.held += 1

    def _lane(self) -> lane.Lane | None:
        if self._free:
            return self._free.pop()
        if self._lanes >= self._order.load.concurrency:
            return None
        self._lanes += 1
        return lane.Lane(self._order.address, self._crew, self._done)

    def _note_late(self, should: float, now: float) -> None:
        if should >= self._from and now - should > tally.LATE:
            self._tally.late += 1

    def _done(self, place: lane.Lane, outcome: str, body: bytes) -> None:
        self._flying -= 1
        verdict = self._tally.verdict(outcome, body, place.picture)
        if place.start >= self._from - _EARLY:
            self._tally.add(verdict, place.start, time.monotonic(), body)
        self._free.append(place)
        self._fill(held=True)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if not self._due and not self._waiting and not self._flying:
            for place in self._free:
                place.drop()
            self._finish()
