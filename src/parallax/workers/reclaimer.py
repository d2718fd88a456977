"""Gives back what dead owners held: at once for a death that was seen, by lease for one that was
not.

Both ways end in ``Release``, which queues an entry again or, after too many losses, buries it. The
lease is the idle time of a pending entry: every living consumer keeps it at zero
(``workers.lease``).
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from parallax.broker import base, housekeeping
from parallax.contract import errors
from parallax.contract.topology import Stage
from parallax.slab import janitor
from parallax.slab import slab as slabs

log = logging.getLogger(__name__)

MIN_ORPHAN_AGE = 10.0
"""Seconds a slot is left alone before it is asked whether its request is still in flight."""


async def give_back(
    broker: base.AsyncBroker,
    streams: Sequence[str],
    holder: base.Holder,
    guilty: frozenset[str] | None,
    rules: "Rules",
) -> int:
    """Release all that a dead consumer had pending; return how many entries that were."""
    total = 0
    for stream in streams:
        release = base.Release(stream, holder, guilty, rules.max_losses, rules.cause, rules.told)
        while page := (await broker.execute(release)).total:
            total += page
    return total


@dataclass(frozen=True, slots=True)
class Rules:
    """How lost entries are treated, and what is written on a dead letter."""

    max_losses: int
    cause: str
    told: str = ""
    """What the client is told of whose request that was too many; see ``base.Release``."""


def sweeper_name(node: str) -> str:
    """Return the consumer under which a node's sweeper claims."""
    return f"{node}:sweeper"


@dataclass(slots=True)
class Sweeper:
    """The backstop for deaths that nobody saw. One per node runs it; a lock elects one per
    broker."""

    broker: base.AsyncBroker
    node: str
    streams: Mapping[str, Stage]
    """May change while it sweeps: models come and go."""
    lease_ms: int
    max_losses: int
    _cursors: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Sweep for ever, twice per lease, with jitter so that nodes do not march in step."""
        while True:
            try:
                await self.sweep()
            except errors.ParallaxError as problem:
                log.debug("not swept: %s", problem)
            await asyncio.sleep(self.lease_ms / 2000.0 * random.uniform(0.75, 1.25))

    async def sweep(self) -> int:
        """Take one page per stream and give it back; return how many entries were found."""
        found = 0
        for stream, stage in tuple(self.streams.items()):
            lock = housekeeping.Acquire(f"sweep:{stream}", self.node, self.lease_ms * 2)
            if not await self.broker.execute(lock):
                continue
            holder = base.Holder(stage, sweeper_name(self.node))
            # The cursor is kept: pages that always start at 0-0 never get past entries that live.
            cursor = self._cursors.get(stream, "0-0")
            page = await self.broker.execute(base.Claim(stream, holder, self.lease_ms, cursor))
            self._cursors[stream] = page.cursor
            if page.entries:
                found += page.entries
                log.warning("%d entries of %s had no living owner", page.entries, stream)
                rules = Rules(self.max_losses, "the lease of its worker ran out")
                await give_back(self.broker, (stream,), holder, None, rules)
        return found


@dataclass(slots=True)
class Janitor:
    """Frees the slab slots whose request is no longer in flight."""

    broker: base.AsyncBroker
    slab: slabs.Slab
    bereaved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the broker came back empty: then all slots held until now are orphans, and new
    requests wait for them."""
    period: float = 5.0

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.period):
                    await self.bereaved.wait()
            try:
                await self.clean(0.0 if self.bereaved.is_set() else MIN_ORPHAN_AGE)
                self.bereaved.clear()
            except errors.ParallaxError as problem:
                log.debug("slots not checked: %s", problem)

    async def clean(self, min_age: float) -> int:
        """Free the orphaned slots held for at least ``min_age`` seconds; return how many."""
        suspected = janitor.suspects(self.slab.held(), time.monotonic(), min_age)
        if not suspected:
            return 0
        records = tuple({held.record for held in suspected})
        live = dict(zip(records, await self.broker.execute(base.Live(records)), strict=True))
        orphaned = janitor.orphans(suspected, lambda record: live[record])
        for held in orphaned:
            self.slab.free(held.ref)
        return len(orphaned)
