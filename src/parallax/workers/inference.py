"""The inference loop of one device: fetch tensors, let the policy form batches, run them, hand off.

Deciding is the batcher's (``policy.batching``), computing the session's (``engine``); this file
keeps them fed. Fetching and running overlap: while the device computes, the next batch grows.
"""

import asyncio
import functools
import logging
import time
from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

from parallax.broker import base
from parallax.contract import errors, messages
from parallax.engine import session as sessions
from parallax.policy import batching, width
from parallax.workers import batch_run, known, patience, triage

log = logging.getLogger(__name__)

READ_BLOCK_MS = 500


@dataclass(frozen=True, slots=True)
class Pace:
    """How much an inference loop does at a time."""

    runs: int
    """Runs in flight at a time."""
    eager: bool
    """Whether a free run starts at once with what is there (CPU), or only when the device idles."""


class InferenceLoop:
    """Runs until ``stop`` is set, then finishes what it holds."""

    def __init__(self, bench: batch_run.Bench, pace: Pace) -> None:
        self._bench = bench
        self._pace = pace
        self._batcher: batching.Batcher[batch_run.Work] = batching.Batcher(self._limits)
        self._runner = batch_run.BatchRunner(bench, pace.runs)
        self._solitude = width.Solitude()
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._in_hand = 0
        self._quarantine = False
        """Whether the run in flight is that of a suspect, beside which nothing may start."""
        self._changed = asyncio.Event()
        self._wanted = frozenset(bench.sessions)
        self._streams = _streams(bench, self._wanted)
        self._reading: tuple[str, ...] = ()
        """The streams of the read that is under way."""
        self._read_over = asyncio.Event()
        self._in_runs: Counter[known.Version] = Counter()

    @property
    def streams(self) -> tuple[str, ...]:
        """What it reads."""
        return self._streams

    @property
    def loaded(self) -> Mapping[known.Version, sessions.Session]:
        """What is loaded now."""
        return dict(self._bench.sessions)

    async def serve(
        self,
        loaded: Mapping[known.Version, sessions.Session],
        wanted: Collection[known.Version],
    ) -> None:
        """Have these sessions from now on, and read the streams of those that are ``wanted``.

        What is in hand of other sessions is finished, then they are dropped. When this returns, no
        read of a stream that is not wanted any more is under way.
        """
        self._bench.sessions.update(loaded)
        self._wanted = frozenset(loaded)
        self._streams = _streams(self._bench, wanted)
        self._prune()
        self._changed.set()
        while not set(self._reading) <= set(self._streams):
            self._read_over.clear()
            await self._read_over.wait()

    def _prune(self) -> None:
        """Drop the sessions that are neither wanted nor needed for what is in hand."""
        for version in self._bench.sessions.keys() - self._wanted:
            names = functools.partial(_names, version)
            if not (self._in_runs[version] or self._batcher.holds(names)):
                del self._bench.sessions[version]
                self._batcher.forget(names)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop.

        Raises:
            BrokerUnavailableError: the broker stayed away for longer than a worker waits.
        """
        await self._give_back("an earlier process of this slot died", self._bench.board.read())
        self._bench.board.clear()
        try:
            async with self._group as group:
                group.create_task(self._fetch(stop), name="fetch")
                group.create_task(self._dispatch(stop), name="dispatch")
        finally:
            self._runner.close()

    def _limits(self, key: Hashable) -> batching.Limits:
        session = self._bench.sessions[batch_run.version_in(key)]
        return batching.Limits(session.max_batch, session.model.batch.max_delay_ms / 1000.0)

    async def _fetch(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            room = self._capacity - len(self._batcher) - self._in_hand
            if room < 1 or not self._streams:
                # Without models there is nothing in hand whose end could be the change.
                await self._wait_for_change(None if self._in_hand else READ_BLOCK_MS / 1000)
                continue
            count = max(1, room // len(self._streams))
            read = base.Read(self._streams, self._bench.seat.holder, count, READ_BLOCK_MS)
            try:
                self._reading = read.streams
                entries = await self._bench.broker.execute(read)
            except errors.BrokerUnavailableError:
                # What the read took may be lost on the way: give it back, once our hands are empty.
                await self._until_idle()
                await self._give_back("the broker was away", frozenset())
                continue
            finally:
                self._reading = ()
                self._read_over.set()
            await self._take_in(entries)
        self._changed.set()

    async def _take_in(self, entries: list[base.Entry]) -> None:
        now = time.monotonic()
        disposed: list[triage.Move] = []
        for entry in entries:
            accepted = triage.triage(entry, messages.InferWork, self._bench.seat, now)
            if isinstance(accepted, triage.Move):
                disposed.append(accepted)
            elif not self._serves(accepted.work):
                # The model was replaced or dropped while the tensor was on its way.
                inputs = triage.slots_of(accepted.work)
                again = base.Recompute(entry, self._bench.seat.holder)
                disposed.append(triage.Move(again, inputs))
            else:
                key = batch_run.key(accepted.work)
                self._batcher.add(
                    batching.Waiting(key, now, accepted.until, entry.losses > 0, accepted)
                )
        self._changed.set()
        await self._runner.settle(disposed)

    def _serves(self, work: messages.InferWork) -> bool:
        return batch_run.version_of(work) in self._bench.sessions

    @property
    def _capacity(self) -> int:
        largest = max((each.max_batch for each in self._bench.sessions.values()), default=1)
        return (self._pace.runs + 1) * largest

    async def _give_back(self, cause: str, guilty: frozenset[str]) -> None:
        """Return to the streams what is pending under our name; called only with empty hands."""
        seat = self._bench.seat
        for stream in self._streams:
            release = base.Release(stream, seat.holder, guilty, seat.max_losses, cause)
            while (await self._patiently(release)).total:
                pass

    async def _patiently(self, op: base.Op[patience.T]) -> patience.T:
        return await patience.Patience().acall(lambda: self._bench.broker.execute(op))

    async def _until_idle(self) -> None:
        while self._in_hand or len(self._batcher):
            await self._wait_for_change(None)

    async def _dispatch(self, stop: asyncio.Event) -> None:
        while True:
            now = time.monotonic()
            late = self._batcher.expired(now)
            if late:
                problem = errors.DeadlineExceededError("the request's deadline passed in the queue")
                await self._runner.fail([waiting.item for waiting in late], problem)
            if self._start_batch(now, draining=stop.is_set()):
                continue
            if stop.is_set() and not self._in_hand and not len(self._batcher):
                return
            await self._wait_for_change(self._pause(now))

    def _start_batch(self, now: float, *, draining: bool) -> bool:
        if self._full:
            return False
        empty = not self._running
        batch = self._batcher.next(now, idle=self._idle, draining=draining, empty=empty)
        if batch is None:
            return False
        alone = self._solitude.starts(len(self._running), len(self._batcher))
        self._quarantine = batch.reason is batching.Reason.SUSPECT
        self._in_hand += len(batch.items)
        self._in_runs[batch_run.version_in(batch.key)] += 1
        task = self._group.create_task(self._run(batch, alone), name=f"run {batch.key}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    async def _run(self, batch: batching.Batch[batch_run.Work], alone: bool) -> None:
        result = await self._runner.run(batch, alone=alone)
        now = time.monotonic()
        if result.ran:
            self._batcher.learn(batch.key, result.ran, result.seconds)
        if result.memory_cap is not None:
            log.warning(
                "out of device memory: batches of %s capped at %d", batch.key, result.memory_cap
            )
            self._batcher.lower_cap(batch.key, result.memory_cap, now)
        # The device is free from here on; handing off goes on beside the next run.
        self._running.discard(asyncio.current_task())
        self._changed.set()
        await self._runner.settle(result.moves)
        self._in_hand -= len(batch.items)
        self._in_runs[batch_run.version_in(batch.key)] -= 1
        self._prune()
        self._changed.set()

    @property
    def _full(self) -> bool:
        if self._quarantine and self._running:
            return True
        return len(self._running) >= self._pace.runs

    @property
    def _idle(self) -> bool:
        return self._pace.eager or not self._running

    def _pause(self, now: float) -> float | None:
        """Return the seconds after which a held-back batch is due, or None to wait for a change."""
        due = self._batcher.due(now)
        if due is None or not self._idle or self._full:
            return None
        if self._batcher.suspect_waits and self._running:
            return None
        return max(0.0005, due - now)

    async def _wait_for_change(self, patience: float | None) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()


def _streams(bench: batch_run.Bench, wanted: Collection[known.Version]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(bench.keys.infer(model) for model, _ in sorted(wanted)))


def _names(version: known.Version, key: Hashable) -> bool:
    return batch_run.version_in(key) == version
