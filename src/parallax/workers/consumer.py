"""The loop of a CPU stage worker: take entries, have them worked on, move them on.

It fetches and settles; what to do with an entry is the handler's business, and what to do with a
broken one ``triage``'s.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parallax.broker import base
from parallax.contract import errors
from parallax.policy import prefetch
from parallax.slab import slab as slabs
from parallax.workers import patience, triage

log = logging.getLogger(__name__)

READ_BLOCK_MS = 500
"""How long a read may wait; also how long a stop may go unnoticed by an idle worker."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a consumer reads."""

    stream: str
    prefetch: int
    """Entries it may hold at a time."""
    share_trips: float = 0.0
    """Seconds a finished entry may wait for its neighbours, to share their round trip to the
    broker."""
    has_room: Callable[[], bool] = lambda: True
    """Whether an entry can be begun at once. Where it cannot, finished ones move on first: what
    the next one would wait for may be theirs."""


Handler = Callable[[base.Entry], triage.Move]


class Consumer:
    """Runs one consumer of one stream until it is told to stop; then finishes what is in hand."""

    def __init__(
        self,
        broker: base.BlockingBroker,
        source: Source,
        seat: triage.Seat,
        handle: Handler,
        slab: slabs.Slab,
        board: slabs.Board,
    ) -> None:
        self._broker = broker
        self._source = source
        self._seat = seat
        self._handle = handle
        self._slab = slab
        self._board = board
        self._stop = threading.Event()
        self._prefetch = prefetch.Prefetch(source.prefetch, source.share_trips)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set.

        Raises:
            BrokerUnavailableError: the broker stayed away for longer than a worker waits.
        """
        self._stop = stop
        self._give_back("an earlier process of this slot died", self._board.read())
        self._board.clear()
        entries: list[base.Entry] = []
        while entries or not stop.is_set():
            entries = self._work(entries) if entries else self._wait()

    def _read(self, block_ms: int) -> base.Read:
        count = self._prefetch.count
        return base.Read((self._source.stream,), self._seat.holder, count, block_ms)

    def _wait(self) -> list[base.Entry]:
        try:
            return self._broker.execute(self._read(READ_BLOCK_MS))
        except errors.BrokerUnavailableError:
            return self._after_lost_read()

    def _after_lost_read(self) -> list[base.Entry]:
        """What a read took may have been lost on the way, and would stay pending for ever."""
        self._give_back("the broker was away", frozenset())
        return []

    def _give_back(self, cause: str, guilty: frozenset[str]) -> None:
        """Return to the stream what is pending under our name; called only with empty hands."""
        release = base.Release(
            self._source.stream, self._seat.holder, guilty, self._seat.max_losses, cause
        )
        while self._patience().call(lambda: self._broker.execute(release)).total:
            pass

    def _patience(self) -> patience.Patience:
        return patience.Patience(giving_up=self._stop.is_set)

    def _work(self, entries: list[base.Entry]) -> list[base.Entry]:
        """Work on entries and move them on; return the next ones, if there are any already."""
        done: list[triage.Move] = []
        first_done = now = time.monotonic()
        for entry in entries:
            if done and not self._may_wait(now - first_done):
                self._settle(done)
                done = []
            started = time.thread_time()
            self._board.begin(entry.id)
            move = self._safely(entry)
            self._board.end(entry.id)
            # Of the processor: that others use it too makes the entry no slower to work on.
            self._prefetch.learn(time.thread_time() - started)
            now = time.monotonic()
            if not done:
                first_done = now
            done.append(move)
        if self._stop.is_set():
            self._settle(done)
            return []
        return self._settle_and_read(done)

    def _may_wait(self, seconds: float) -> bool:
        return self._prefetch.lets_wait(seconds) and self._source.has_room()

    def _safely(self, entry: base.Entry) -> triage.Move:
        try:
            return self._handle(entry)
        except errors.ParallaxError as problem:
            return triage.fail(entry, self._seat, problem)
        except Exception as problem:  # a handler's bug must cost one request, not the worker
            log.exception("request %s failed", entry.address.request)
            return triage.fail(entry, self._seat, triage.internal(problem))

    def _settle(self, moves: list[triage.Move], *, retried: bool = False) -> None:
        ops = [move.op for move in moves]
        patient = self._patience()
        outcomes = patient.call(lambda: self._broker.execute_many(ops))
        self._apply(moves, outcomes, retried=retried or patient.retried)

    def _settle_and_read(self, moves: list[triage.Move]) -> list[base.Entry]:
        """Move entries on and take the next ones in the same round trip."""
        ops: list[base.Op[Any]] = [move.op for move in moves]
        try:
            *outcomes, entries = self._broker.execute_many([*ops, self._read(0)])
        except errors.BrokerUnavailableError:
            self._settle(moves, retried=True)
            return self._after_lost_read()
        self._apply(moves, outcomes, retried=False)
        return list(entries)

    def _apply(
        self, moves: list[triage.Move], outcomes: list[base.Outcome], *, retried: bool
    ) -> None:
        left = triage.settled(moves, outcomes, self._seat, retried=retried)
        for slot in left.free:
            self._slab.free(slot)
        if left.again:
            self._settle(list(left.again))
