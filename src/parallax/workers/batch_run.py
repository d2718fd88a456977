"""One batch from slab to hand-off: gather, run, check, and move each item on."""

import asyncio
import functools
import logging
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parallax.broker import base, keys
from parallax.contract import errors, messages, wire
from parallax.engine import isolation
from parallax.engine import session as sessions
from parallax.models.families import heads
from parallax.policy import batching
from parallax.slab import slab as slabs
from parallax.workers import known, metrics, patience, triage

log = logging.getLogger(__name__)

STALE_AFTER = 0.05
"""Seconds in the queue after which it pays to ask whether the client is still there."""

INLINE_BYTES = 64 * 1024
"""Outputs up to this size travel in the stream entry; larger ones in the loop's arena."""

Work = triage.Accepted[messages.InferWork]


def key(work: messages.InferWork) -> Hashable:
    """Return the batch key: what must be equal for two items to share a run."""
    return version_of(work), work.tensor.shape


def version_of(work: messages.InferWork) -> known.Version:
    """Return which version of which model an item is for."""
    return work.model, work.version


def version_in(batch_key: Any) -> known.Version:
    """Return the version that a batch key names."""
    version, _ = batch_key
    model, content = version
    return model, content


@dataclass(frozen=True, slots=True)
class Bench:
    """What an inference loop works with."""

    broker: base.AsyncBroker
    keys: keys.Keys
    seat: triage.Seat
    sessions: dict[known.Version, sessions.Session]
    """What is loaded. New versions are put in while it works; the loop takes old ones out."""
    slab: slabs.Slab
    arena: slabs.Arena
    board: slabs.Board


@dataclass(frozen=True, slots=True)
class Result:
    """What the policy learns from a run (its size, 0 if nothing ran; its seconds; what fits), and
    what shall become of its items."""

    ran: int = 0
    seconds: float = 0.0
    memory_cap: int | None = None
    moves: Sequence[triage.Move] = ()


class BatchRunner:
    """Runs batches on threads; at most ``runs`` at a time."""

    def __init__(self, bench: Bench, runs: int) -> None:
        self._bench = bench
        self._pool = ThreadPoolExecutor(runs, thread_name_prefix="run")

    def close(self) -> None:
        """Let the threads go; a run that hangs must not keep the process."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, batch: batching.Batch[Work], *, alone: bool = False) -> Result:
        """Run a batch, which is ``alone`` or not; the moves of its items are left to be settled."""
        wanted = await self._drop_abandoned(batch.items)
        tensors, works = await self._gather(wanted)
        if not works:
            return Result()
        session = self._bench.sessions[version_of(works[0].work)]
        ids = [work.entry.id for work in works]
        self._bench.board.begin(*ids)
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        execute = functools.partial(session.run, alone=alone)
        outcome = await loop.run_in_executor(self._pool, isolation.run, execute, tensors)
        seconds = time.monotonic() - started
        self._bench.board.end(*ids)
        self._count(session.model.id, batch.reason, len(works), seconds)
        ran = _Ran(len(works), seconds * 1000.0)
        moves = [
            self._move(work, item, ran) for work, item in zip(works, outcome.items, strict=True)
        ]
        return Result(len(works), seconds, outcome.memory_cap, moves)

    async def fail(self, works: Sequence[Work], error: errors.ParallaxError) -> None:
        """Answer items with an error."""
        await self.settle([self._failed(work, error) for work in works])

    async def settle(self, moves: Sequence[triage.Move]) -> None:
        """Carry moves out in one round trip and free the slots that nobody needs any more."""
        if not moves:
            return
        ops = [move.op for move in moves]
        patient = patience.Patience()
        outcomes = await patient.acall(lambda: self._bench.broker.execute_many(ops))
        for move, outcome in zip(moves, outcomes, strict=True):
            for slot in move.to_free(outcome, retried=patient.retried):
                self._bench.slab.free(slot)
        lost = errors.InternalError("the request's data was lost")
        await self.settle(
            [
                triage.fail(move.op.entry, self._bench.seat, lost, move.inputs)
                for move, outcome in zip(moves, outcomes, strict=True)
                if outcome is base.Outcome.RECORD_LOST and isinstance(move.op, base.Recompute)
            ]
        )

    async def _drop_abandoned(self, items: Sequence[batching.Waiting[Work]]) -> list[Work]:
        works = [waiting.item for waiting in items]
        if time.monotonic() - items[0].arrived < STALE_AFTER:
            return works
        asked = base.Abandoned(tuple(work.entry.address.request for work in works))
        gone = await patience.Patience().acall(lambda: self._bench.broker.execute(asked))
        # The reply goes nowhere: finishing a cancelled request only removes it.
        left = errors.DeadlineExceededError("the client has gone")
        await self.fail([work for work, flag in zip(works, gone, strict=True) if flag], left)
        return [work for work, flag in zip(works, gone, strict=True) if not flag]

    async def _gather(self, works: list[Work]) -> tuple[list[NDArray[np.uint8]], list[Work]]:
        tensors: list[NDArray[Any]] = []
        kept: list[Work] = []
        for work in works:
            try:
                tensors.append(self._bench.slab.array(work.work.tensor))
                kept.append(work)
            except errors.ParallaxError as problem:
                await self.fail([work], problem)
        return tensors, kept

    def _move(self, work: Work, item: isolation.Item | Exception, ran: "_Ran") -> triage.Move:
        if isinstance(item, Exception):
            log.error("model %s failed: %s", work.work.model, item)
            return self._failed(
                work, errors.ModelFailedError(f"model {work.work.model!r} failed on this image")
            )
        try:
            for slot in triage.slots_of(work.work):
                # Read again after use: had the slot been reused meanwhile, the output is another's.
                self._bench.slab.check(slot)
            model = self._bench.sessions[version_of(work.work)].model
            return self._hand_off(work, heads.reduce(model, item, work.work.params), ran)
        except errors.ParallaxError as problem:
            return self._failed(work, problem)
        except Exception:  # outputs that fit nothing must cost one request, not the loop
            log.exception("request %s failed", work.entry.address.request)
            return self._failed(work, errors.InternalError("Internal error."))

    def _failed(self, work: Work, error: errors.ParallaxError) -> triage.Move:
        return triage.fail(work.entry, self._bench.seat, error, triage.slots_of(work.work))

    def _hand_off(self, work: Work, outputs: Sequence[NDArray[Any]], ran: "_Ran") -> triage.Move:
        declared = self._bench.sessions[version_of(work.work)].model.output_bytes
        refs, bulk = self._place(work.entry.record, outputs, declared)
        before = work.work
        spent = before.timings
        post = messages.PostWork(
            triage.budget(before.route, work.until - time.monotonic()),
            before.model,
            before.version,
            before.params,
            before.geometry,
            refs,
            messages.Timings(spent.pre_ms, ran.milliseconds, 0.0, ran.size),
        )
        bench = self._bench
        op = base.HandOff(work.entry, bench.seat.holder, bench.keys.post, wire.encode(post), bulk)
        made = tuple(ref.slot for ref in refs if ref.slot)
        return triage.Move(op, triage.slots_of(before), made)

    def _place(
        self, record: str, outputs: Sequence[NDArray[Any]], declared: int
    ) -> tuple[tuple[messages.ArrayRef, ...], bytes]:
        """Put large outputs into the arena and return references to all, with the bytes of the
        rest."""
        # Memory is allocated for what the models declare, and not for all that is laid out.
        room = min(declared, self._bench.arena.slot_bytes)
        refs: list[messages.ArrayRef] = []
        inline: list[bytes] = []
        for output in outputs:
            slot = None
            if INLINE_BYTES < output.nbytes <= room:
                slot = self._bench.arena.allocate(record)
            if slot is None:
                # Small, or no room: the broker carries it. Slower, but nobody waits for anybody.
                inline.append(output.tobytes())
            else:
                flat = np.ascontiguousarray(output).reshape(-1).view(np.uint8)
                self._bench.arena.buffer(slot, output.nbytes)[:] = flat
                self._bench.arena.publish(slot)
            refs.append(messages.ArrayRef(output.shape, output.dtype.str, slot))
        return tuple(refs), b"".join(inline)

    @staticmethod
    def _count(model: str, reason: batching.Reason, size: int, seconds: float) -> None:
        metrics.BATCH_SIZE.labels(model).observe(size)
        metrics.BATCH_SECONDS.labels(model).observe(seconds)
        metrics.BATCHES.labels(model, reason.value).inc()


@dataclass(frozen=True, slots=True)
class _Ran:
    size: int
    milliseconds: float
