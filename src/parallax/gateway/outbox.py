"""What goes from an api process to the broker: new requests, and the taking back of abandoned ones.

Handlers only put things here and wait for their own future, never for the broker. So a deadline
holds however slow the broker is, a hang-up never interrupts a call on a pooled connection, and
requests that arrive together travel in one round trip.
"""

import asyncio
import logging

from parallax.aio import tasks
from parallax.broker import base
from parallax.contract import errors
from parallax.gateway import metrics, pending

log = logging.getLogger(__name__)

SENDERS = 2
"""Round trips under way at a time; what arrives meanwhile goes into the next one."""
BATCH_PARTS = 32
BATCH_BYTES = 4_000_000
CANCEL_TTL_MS = 300_000
"""How long a mark "abandoned" stays: as long as the longest ``--timeout``, after which every stage
drops the request by itself."""


class Outbox:
    """Submits and cancels on behalf of the handlers of one api process."""

    def __init__(self, broker: base.AsyncBroker, api: str) -> None:
        self._broker = broker
        self._api = api
        self._parts: asyncio.Queue[pending.Part] = asyncio.Queue()
        self._cancels: asyncio.Queue[base.Cancel] = asyncio.Queue()

    def start(self, crew: tasks.Crew) -> None:
        """Start the tasks that send; they last as long as the process."""
        for number in range(SENDERS):
            crew.start(self._send(), f"outbox-send-{number}")
        crew.start(self._take_back(), "outbox-cancel")

    def submit(self, part: pending.Part) -> None:
        """Submit a part, for the first time or again."""
        part.queued = True
        self._parts.put_nowait(part)

    def cancel(self, part: pending.Part) -> None:
        """Take back a part that nobody wants; one that is on its way is taken back on arrival."""
        if part.record:
            self._cancels.put_nowait(
                base.Cancel(part.record, part.flight.request, ttl_ms=CANCEL_TTL_MS)
            )

    async def _send(self) -> None:
        while True:
            batch = [part for part in await self._next_batch() if part.wanted]
            if batch:
                await self._submit(batch)

    async def _next_batch(self) -> list[pending.Part]:
        batch = [await self._parts.get()]
        size = len(batch[0].bulk)
        while len(batch) < BATCH_PARTS and size < BATCH_BYTES and not self._parts.empty():
            batch.append(self._parts.get_nowait())
            size += len(batch[-1].bulk)
        return batch

    async def _submit(self, batch: list[pending.Part]) -> None:
        submits = [
            base.Submit(
                base.Address(part.flight.request, part.item, self._api), part.work, part.bulk
            )
            for part in batch
        ]
        try:
            records = await self._broker.execute_many(submits)
        except errors.BrokerUnavailableError as problem:
            _not_submitted(batch, problem)
            return
        for part, record in zip(batch, records, strict=True):
            part.record = record
            part.queued = False
            if not part.wanted and part.answer is None:
                self.cancel(part)

    async def _take_back(self) -> None:
        while True:
            cancels = [await self._cancels.get()]
            while len(cancels) < BATCH_PARTS and not self._cancels.empty():
                cancels.append(self._cancels.get_nowait())
            try:
                await self._broker.execute_many(cancels)
            except errors.BrokerUnavailableError:
                # The deadline, which every stage checks, ends the abandoned work instead.
                log.debug("%d cancellations were lost with the broker", len(cancels))
            else:
                metrics.CANCELLED.inc(len(cancels))


def _not_submitted(batch: list[pending.Part], problem: errors.BrokerUnavailableError) -> None:
    for part in batch:
        part.queued = False
        # A part that was accepted before keeps its old record id: the mailbox will find that record
        # gone when the broker is back, and submit it once more.
        if not part.record:
            part.flight.fail(problem)
