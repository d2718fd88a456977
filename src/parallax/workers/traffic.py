"""What the inference loop and the broker exchange: entries come in, moves go out.

One trip at a time carries moves; what is sent meanwhile shares the next one. While more is in hand
than the device can run, the next entries are read in the same trip; only a loop that has room waits
for them in a read of its own.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from parallax.aio import events
from parallax.broker import base
from parallax.contract import errors
from parallax.slab import slab as slabs
from parallax.workers import patience, triage

READ_BLOCK_MS = 500
"""How long a read may wait; also how long a stop may go unnoticed by an idle loop."""


class Traffic:
    """Keeps up to ``capacity`` entries in hand, and moves them on."""

    def __init__(
        self,
        broker: base.AsyncBroker,
        seat: triage.Seat,
        slab: slabs.Slab,
        capacity: Callable[[], int],
        take_in: Callable[[Sequence[base.Entry]], None],
    ) -> None:
        self._broker = broker
        self._seat = seat
        self._slab = slab
        self._capacity = capacity
        self._take_in = take_in
        self._in_hand = 0
        """Entries that were read and whose moves are not yet carried out."""
        self._streams: tuple[str, ...] = ()
        self._reading: tuple[str, ...] = ()
        """The streams of the read that is under way."""
        self._read_over = asyncio.Event()
        self._may_read = True
        """Whether a trip may bring new entries."""
        self._lost = False
        """Whether a read broke: entries may be pending under our name of which we know nothing."""
        self._leaving: list[triage.Move] = []
        self._sent = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def streams(self) -> tuple[str, ...]:
        """What it reads."""
        return self._streams

    @property
    def reading(self) -> tuple[str, ...]:
        """The streams of the read that is under way."""
        return self._reading

    def follow(self, streams: tuple[str, ...]) -> None:
        """Read these streams from now on."""
        self._streams = streams
        self._changed.set()

    async def until_followed(self) -> None:
        """Return when no read of another stream is under way."""
        while not set(self._reading) <= set(self._streams):
            self._read_over.clear()
            await self._read_over.wait()

    def send(self, moves: Sequence[triage.Move]) -> None:
        """Let moves of entries in hand be carried out, with the next trip."""
        if moves:
            self._leaving += moves
            self._sent.set()

    async def fetch(self, stop: asyncio.Event) -> None:
        """Take entries in until told to stop.

        Raises:
            BrokerUnavailableError: the broker stayed away for longer than a worker waits.
        """
        while not stop.is_set():
            room = self._capacity() - self._in_hand
            if self._lost:
                await self._settle_loss()
            elif room < 1 or not self._streams or self._reading:
                # Without models there is nothing in hand whose end could be the change.
                await events.passed(self._changed, None if self._in_hand else READ_BLOCK_MS / 1000)
            else:
                await self._read(room)
        self._may_read = False

    async def finish(self) -> None:
        """Return when nothing is in hand; called after the end of ``fetch``."""
        await self._until_empty()
        if self._lost:
            await self._settle_loss()

    async def carry(self) -> None:
        """Carry moves out for ever.

        Raises:
            BrokerUnavailableError: the broker stayed away for longer than a worker waits.
        """
        while True:
            await events.passed(self._sent)
            moves, self._leaving = self._leaving, []
            await self._trip(moves)

    async def give_back(self, cause: str, guilty: frozenset[str]) -> None:
        """Return to the streams what is pending under our name; called only with empty hands."""
        for stream in self._streams:
            release = base.Release(stream, self._seat.holder, guilty, self._seat.max_losses, cause)
            while (await self._patiently(release)).total:
                pass

    async def _patiently(self, op: base.Op[patience.T]) -> patience.T:
        return await patience.Patience().acall(lambda: self._broker.execute(op))

    async def _settle_loss(self) -> None:
        await self._until_empty()
        await self.give_back("the broker was away", frozenset())
        self._lost = False

    async def _until_empty(self) -> None:
        while self._in_hand:
            await events.passed(self._changed)

    async def _read(self, room: int) -> None:
        read = self._begin_read(room, READ_BLOCK_MS)
        try:
            entries = await self._broker.execute(read)
        except errors.BrokerUnavailableError:
            self._lost = True
            return
        finally:
            self._end_read()
        self._arrived(entries)

    async def _trip(self, moves: list[triage.Move]) -> None:
        ops: list[base.Op[Any]] = [move.op for move in moves]
        room = self._capacity() - self._in_hand + len(moves)
        if room < 1 or not self._streams or self._reading or self._lost or not self._may_read:
            await self._settle(moves, ops, retried=False)
            return
        answers = await self._try_with_read(ops, room)
        if answers is None:
            await self._settle(moves, ops, retried=True)
            return
        *outcomes, entries = answers
        self._apply(moves, outcomes, retried=False)
        self._arrived(entries)

    async def _try_with_read(self, ops: list[base.Op[Any]], room: int) -> list[Any] | None:
        read = self._begin_read(room, 0)
        try:
            return await self._broker.execute_many([*ops, read])
        except errors.BrokerUnavailableError:
            self._lost = True
            return None
        finally:
            self._end_read()

    async def _settle(
        self, moves: list[triage.Move], ops: list[base.Op[Any]], *, retried: bool
    ) -> None:
        patient = patience.Patience()
        outcomes = await patient.acall(lambda: self._broker.execute_many(ops))
        self._apply(moves, outcomes, retried=retried or patient.retried)

    def _apply(
        self, moves: list[triage.Move], outcomes: list[base.Outcome], *, retried: bool
    ) -> None:
        """Free the slots that nobody needs any more, and answer what cannot be computed again."""
        self._in_hand -= len(moves)
        self._changed.set()
        left = triage.settled(moves, outcomes, self._seat, retried=retried)
        for slot in left.free:
            self._slab.free(slot)
        self._in_hand += len(left.again)
        self.send(left.again)

    def _arrived(self, entries: Sequence[base.Entry]) -> None:
        if entries:
            self._in_hand += len(entries)
            self._take_in(entries)

    def _begin_read(self, room: int, block_ms: int) -> base.Read:
        self._reading = self._streams
        count = max(1, room // len(self._streams))
        return base.Read(self._streams, self._seat.holder, count, block_ms)

    def _end_read(self) -> None:
        self._reading = ()
        self._read_over.set()
