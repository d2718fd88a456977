"""One batch from slab to hand-off: gather, run, check, and move each item on."""

import asyncio
import contextlib
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parallax.broker import base, keys
from parallax.contract import errors, messages, spec, wire
from parallax.engine import isolation
from parallax.engine import session as sessions
from parallax.models.families import heads
from parallax.policy import batching
from parallax.slab import slab as slabs
from parallax.workers import known, metrics, triage

log = logging.getLogger(__name__)

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
class Run:
    """A batch that is ready for the device: tensors, and the items they are of."""

    key: Hashable
    reason: batching.Reason
    tensors: list[NDArray[Any]]
    works: list[Work]
    alone: bool
    """Whether nothing else needs the cores."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of its entries."""
        return tuple(work.entry.id for work in self.works)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over, and how many seconds it took."""

    run: Run
    outcome: isolation.Outcome
    seconds: float


class BatchRunner:
    """Runs batches on threads of its own; ``ended`` hears of each end, in the event loop.

    The threads take what comes from one queue, which costs about half of what an executor does.
    """

    def __init__(self, bench: Bench, runs: int, ended: Callable[[Ended], None]) -> None:
        self._bench = bench
        self._runs = runs
        self._ended = ended
        self._queue: queue.SimpleQueue[Run | None] = queue.SimpleQueue()

    def open(self) -> None:
        """Start the threads. To be called in the event loop."""
        loop = asyncio.get_running_loop()
        for number in range(self._runs):
            # A run that hangs must not keep the process.
            threading.Thread(
                target=self._work, args=(loop,), name=f"run-{number}", daemon=True
            ).start()

    def close(self) -> None:
        """Let the threads go."""
        for _ in range(self._runs):
            self._queue.put(None)

    def gather(
        self, batch: batching.Batch[Work], *, alone: bool
    ) -> tuple[Run, Sequence[triage.Move]]:
        """Return the run of a batch, which may have nothing in it, and moves of what is lost."""
        run = Run(batch.key, batch.reason, [], [], alone)
        failed: list[triage.Move] = []
        for waiting in batch.items:
            work = waiting.item
            try:
                run.tensors.append(self._bench.slab.array(work.work.tensor))
                run.works.append(work)
            except errors.ParallaxError as problem:
                failed.append(self.failed(work, problem))
        return run, failed

    def start(self, run: Run) -> None:
        """Give a run to a thread; no more of them at a time than there are threads."""
        self._bench.board.begin(*run.ids)
        self._queue.put(run)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (run := self._queue.get()) is not None:
            started = time.monotonic()
            outcome = self._outcome(run)
            ended = Ended(run, outcome, time.monotonic() - started)
            with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits
                loop.call_soon_threadsafe(self._ended, ended)

    def _outcome(self, run: Run) -> isolation.Outcome:
        try:
            session = self._bench.sessions[version_in(run.key)]
            execute = functools.partial(session.run, alone=run.alone)
            return isolation.run(execute, run.tensors, session.max_batch)
        except BaseException as problem:  # a run without an end would be held for ever
            log.exception("a run of %s failed", version_in(run.key)[0])
            failed = RuntimeError(f"the run failed: {problem!r}")
            return isolation.Outcome([failed] * len(run.works), None)

    def moves(self, ended: Ended) -> Sequence[triage.Move]:
        """Return what shall become of the items of a run."""
        run = ended.run
        self._bench.board.end(*run.ids)
        model = self._bench.sessions[version_in(run.key)].model
        metrics.count_batch(model.id, run.reason.value, len(run.works), ended.seconds)
        ran = _Ran(model, len(run.works), ended.seconds * 1000.0)
        return [
            self._move(work, item, ran)
            for work, item in zip(run.works, ended.outcome.items, strict=True)
        ]

    def failed(self, work: Work, error: errors.ParallaxError) -> triage.Move:
        """Return how an item is answered with an error."""
        return triage.fail(work.entry, self._bench.seat, error, triage.slots_of(work.work))

    def _move(self, work: Work, item: isolation.Item | Exception, ran: "_Ran") -> triage.Move:
        if isinstance(item, Exception):
            log.error("model %s failed: %s", work.work.model, item)
            return self.failed(work, _failure(work.work.model, item))
        try:
            for slot in triage.slots_of(work.work):
                # Read again after use: had the slot been reused meanwhile, the output is another's.
                self._bench.slab.check(slot)
            if any(map(_has_nan, item)):
                log.error("model %s failed: it returned values that are no numbers", ran.model.id)
                return self.failed(work, _failure(ran.model.id))
            return self._hand_off(work, heads.reduce(ran.model, item, work.work.params), ran)
        except errors.ParallaxError as problem:
            return self.failed(work, problem)
        except Exception as problem:  # outputs that fit nothing must cost one request, not the loop
            log.exception("request %s failed", work.entry.address.request)
            return self.failed(work, triage.internal(problem))

    def _hand_off(self, work: Work, outputs: Sequence[NDArray[Any]], ran: "_Ran") -> triage.Move:
        refs, bulk = self._place(work.entry.record, outputs, ran.model.output_bytes)
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


def _failure(model: str, cause: Exception | None = None) -> errors.ModelFailedError:
    """Return what a client is told on whose picture a model fails."""
    if isinstance(cause, sessions.OutOfDeviceMemoryError):
        failure = errors.ModelFailedError(f"there is no memory for model {model!r} on this image")
    else:
        failure = errors.ModelFailedError(f"model {model!r} failed on this image")
    failure.__cause__ = cause
    return failure


def _has_nan(output: NDArray[Any]) -> bool:
    """Say whether an output has values that are no numbers: whatever was found by them would be
    wrong, and mostly nothing would be found."""
    if output.dtype.kind != "f":
        return False
    # A sum takes a part of the time that a look at each value does; infinities may add up to NaN.
    with np.errstate(all="ignore"):
        return bool(np.isnan(output.sum()) and np.isnan(output).any())


@dataclass(frozen=True, slots=True)
class _Ran:
    model: spec.ModelSpec
    size: int
    milliseconds: float
