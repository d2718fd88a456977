"""The reader of the replies that are addressed to this api process.

It is the one task on which every waiting client depends, so nothing that arrives can end it:
malformed and unknown replies are counted and passed over, an unreachable broker is waited for.
After an outage it asks which records of waiting requests are still there and submits the others
again.
"""

import asyncio
import logging
from collections.abc import Callable

from parallax.aio import tasks
from parallax.broker import answers, base
from parallax.contract import errors
from parallax.gateway import metrics, outbox, pending

log = logging.getLogger(__name__)

START = "0-0"
PAGE = 256
LOOKUPS = 32
"""Records looked up in one call: the broker serves nobody else while it touches their bytes."""
TRIM_EVERY = 64
"""Replies read between two trims while there is no pause in which to trim."""
FIRST_BACKOFF = 0.05
LAST_BACKOFF = 1.0


class Mailbox:
    """Keeps this process's mailbox open, reads it, and wakes the requests that are answered."""

    def __init__(
        self,
        broker: base.AsyncBroker,
        api: str,
        waiting: pending.Pending,
        out: outbox.Outbox,
        clock: Callable[[], float],
        ttl: float = 5.0,
    ) -> None:
        self.opened = asyncio.Event()
        """Set once the mailbox is there: before that, replies would be dropped."""
        self._broker = broker
        self._api = api
        self._pending = waiting
        self._outbox = out
        self._clock = clock
        self._ttl = ttl
        self._after = START
        self._untrimmed = 0
        self._doubt = False
        """Whether replies or records may have been lost since the last look."""
        self._audit = False
        """Whether to look for lost records without a reason: a quick restart of the broker breaks
        a connection that the client mends by itself."""

    def start(self, crew: tasks.Crew) -> None:
        """Start the beat and the reader; they last as long as the process."""
        crew.start(self._beat(), "mailbox-beat")
        crew.start(self._read(), "mailbox-read")

    async def close(self) -> None:
        """Remove the mailbox, once nobody waits any more and the crew is closed."""
        try:
            await self._broker.execute(base.CloseMailbox(self._api))
        except errors.BrokerUnavailableError:
            log.debug("the mailbox is left to expire")

    async def _beat(self) -> None:
        pause = self._ttl / 3
        renewed = self._clock()
        while True:
            try:
                await self._broker.execute(base.Beat(self._api, round(self._ttl * 1000)))
            except errors.BrokerUnavailableError:
                self._doubt = True
                await asyncio.sleep(min(pause, LAST_BACKOFF))
                continue
            now = self._clock()
            if now - renewed > self._ttl:
                # The process slept through its own lease: replies sent meanwhile were dropped.
                self._doubt = True
            renewed = now
            self._audit = True
            self.opened.set()
            await asyncio.sleep(pause)

    async def _read(self) -> None:
        await self.opened.wait()
        backoff = FIRST_BACKOFF
        while True:
            try:
                await self._reconcile()
                await self._wait_for_page(min(self._ttl / 3, 1.0))
                backoff = FIRST_BACKOFF
            except errors.BrokerUnavailableError as problem:
                if backoff == FIRST_BACKOFF:
                    log.warning("replies cannot be read, trying again: %s", problem)
                self._doubt = True
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF)

    async def _reconcile(self) -> None:
        """Submit again what the broker no longer has: after an outage, or a silent restart of it.

        The order matters. Finishing a request removes its record and writes its reply in one step,
        so a record found gone either has its reply in the mailbox by then (read before we decide),
        or is lost.
        """
        if not (self._doubt or self._audit):
            return
        youngest = self._clock() if self._doubt else self._clock() - self._ttl / 3
        self._audit = False
        if self._doubt:
            self._doubt = False
            self._after = START
            await self._broker.execute(base.Beat(self._api, round(self._ttl * 1000)))
        lost = await self._find_lost(youngest)
        if lost:
            await self._submit_again(lost)

    async def _find_lost(self, youngest: float) -> list[pending.Part]:
        parts = self._pending.submitted(youngest)
        if not parts:
            return []
        lost: list[pending.Part] = []
        for start in range(0, len(parts), LOOKUPS):
            page = parts[start : start + LOOKUPS]
            alive = await self._broker.execute(base.Live(tuple(part.record for part in page)))
            lost += [part for part, lives in zip(page, alive, strict=True) if not lives]
        return lost

    async def _submit_again(self, lost: list[pending.Part]) -> None:
        await self._read_all()
        if self._after != START and any(part.wanted for part in lost):
            # A broker that lost its data may number replies from below our position. What was
            # read but not trimmed comes a second time then, and is unknown.
            self._after = START
            await self._read_all()
        lost = [part for part in lost if part.wanted]
        for part in lost:
            self._outbox.submit(part)
        if lost:
            metrics.RESUBMITTED.inc(len(lost))
            log.warning("%d pictures were lost by the broker and submitted again", len(lost))

    async def _read_all(self) -> None:
        while await self._read_page(0):
            pass

    async def _wait_for_page(self, patience: float) -> None:
        began = self._clock()
        found = await self._read_page(round(patience * 1000))
        if not found and self._clock() - began < patience / 2:
            # Nothing, and at once: only malformed entries lie there. Do not spin on them.
            await asyncio.sleep(FIRST_BACKOFF)

    async def _read_page(self, block_ms: int) -> int:
        page = await self._broker.execute(
            base.ReadReplies(self._api, after=self._after, count=PAGE, block_ms=block_ms)
        )
        for entry in page:
            self._deliver(entry)
        if page:
            self._after = page[-1].id
            self._untrimmed += len(page)
        if self._untrimmed and (not page or self._untrimmed >= TRIM_EVERY):
            self._untrimmed = 0
            await self._broker.execute(base.TrimReplies(self._api, upto=self._after))
        return len(page)

    def _deliver(self, entry: base.ReplyEntry) -> None:
        part = self._pending.find(entry.request, entry.item)
        if part is None:
            metrics.REPLIES_DROPPED.labels("unknown").inc()
            return
        try:
            reply = answers.read(entry)
        except errors.MalformedEntryError as problem:
            metrics.REPLIES_DROPPED.labels("malformed").inc()
            log.warning("reply %s to item %d is malformed: %s", entry.id, entry.item, problem)
            # It is this part's one reply: no better one will come.
            part.flight.fail(errors.InternalError("the reply could not be read"))
            return
        if reply.code:
            if entry.letter:
                part.letter, part.cause = entry.letter, reply.code
                metrics.DEAD_LETTERS.labels(reply.code).inc()
            part.flight.fail(errors.from_code(reply.code, reply.message))
            return
        total_ms = (self._clock() - part.flight.started) * 1000
        self._pending.settle(part, pending.Answer(entry.bulk, reply.timings, total_ms))
