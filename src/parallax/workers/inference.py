"""The inference loop of one device: fetch tensors, let the policy form batches, run them, hand off.

Deciding is the batcher's (``policy.batching``), computing the session's (``engine``), moving
entries ``workers.traffic``'s; this file keeps them fed. Fetching, running and handing off overlap:
while the device computes, the next batch grows.
"""

import asyncio
import functools
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from parallax.aio import events
from parallax.broker import base
from parallax.contract import errors, messages
from parallax.engine import session as sessions
from parallax.policy import batching, width
from parallax.workers import batch_run, guard, known, traffic, triage

log = logging.getLogger(__name__)

STALE_AFTER = 0.05
"""Seconds in the queue after which it pays to ask whether the client is still there."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much an inference loop does at a time."""

    runs: int
    """Runs in flight at a time."""
    eager: bool
    """Whether a free run starts at once with what is there (CPU), or only when the device idles."""
    longest: float
    """Seconds that a run may take at most, whatever is expected of it."""


class InferenceLoop:
    """Runs until ``stop`` is set, then finishes what it holds."""

    def __init__(
        self,
        bench: batch_run.Bench,
        pace: Pace,
        kill: Callable[[], None] = guard.end_this_process,
    ) -> None:
        self._bench = bench
        self._pace = pace
        self._guard = guard.Guard(bench.board, pace.longest, kill)
        self._batcher: batching.Batcher[batch_run.Work] = batching.Batcher(self._limits)
        self._runner = batch_run.BatchRunner(bench, pace.runs, self._ended)
        self._solitude = width.Solitude()
        self._running = 0
        self._ends: list[batch_run.Ended] = []
        """Runs that have ended, and whose items are not yet moved on."""
        self._quarantine = False
        """Whether the run in flight is that of a suspect, beside which nothing may start."""
        self._draining = False
        self._changed = asyncio.Event()
        self._queued = asyncio.Event()
        self._in_runs: Counter[known.Version] = Counter()
        self._traffic = traffic.Traffic(
            bench.broker, bench.seat, bench.slab, self._capacity, self._take_in
        )
        self._wanted = frozenset(bench.sessions)
        self._traffic.follow(_streams(bench, self._wanted))

    @property
    def streams(self) -> tuple[str, ...]:
        """What it reads."""
        return self._traffic.streams

    @property
    def reading(self) -> tuple[str, ...]:
        """The streams of the read that is under way."""
        return self._traffic.reading

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
        self._traffic.follow(_streams(self._bench, wanted))
        self._prune()
        await self._traffic.until_followed()

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
        board = self._bench.board
        await self._traffic.give_back("an earlier process of this slot died", board.read())
        board.clear()
        self._runner.open()
        try:
            async with asyncio.TaskGroup() as group:
                parts = (self._traffic.carry(), self._dispatch(), self._weed(), self._guard.watch())
                helpers = [group.create_task(part) for part in parts]
                await self._traffic.fetch(stop)
                self._draining = True
                self._changed.set()
                await self._traffic.finish()
                for helper in helpers:
                    helper.cancel()
        finally:
            self._runner.close()

    def _limits(self, key: Hashable) -> batching.Limits:
        session = self._bench.sessions[batch_run.version_in(key)]
        delay = session.model.batch.max_delay_ms / 1000.0
        if session.in_turn:
            return batching.Limits(batching.IN_TURN, delay, batching.IN_TURN_SECONDS)
        return batching.Limits(session.max_batch, delay)

    def _capacity(self) -> int:
        largest = max((each.max_batch for each in self._bench.sessions.values()), default=1)
        largest = max(largest, self._batcher.largest(time.monotonic()))
        return (self._pace.runs + 1) * largest

    def _take_in(self, entries: Sequence[base.Entry]) -> None:
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
        self._traffic.send(disposed)
        self._changed.set()
        self._queued.set()

    def _serves(self, work: messages.InferWork) -> bool:
        return batch_run.version_of(work) in self._bench.sessions

    async def _weed(self) -> None:
        """Look now and then whether the clients are still there whose items wait for long."""
        while True:
            await events.passed(self._queued)
            await asyncio.sleep(STALE_AFTER)
            if await self._drop_abandoned():
                self._queued.set()

    async def _drop_abandoned(self) -> bool:
        """Take out the old items that nobody waits for; say whether any item is left."""
        since = time.monotonic() - STALE_AFTER
        waiting = self._batcher.waiting()
        old = [each.item.entry.address for each in waiting if each.arrived <= since]
        if not old:
            return bool(waiting)
        try:
            flags = await self._bench.broker.execute(
                base.Abandoned(tuple(at.request for at in old), tuple(at.api for at in old))
            )
        except errors.BrokerUnavailableError:
            return True  # the hand-off will notice
        gone = {at.request for at, flag in zip(old, flags, strict=True) if flag}
        # Those that have started meanwhile go on.
        left = self._batcher.remove(lambda each: each.item.entry.address.request in gone)
        # The reply goes nowhere: finishing a cancelled request only removes it.
        self._fail(left, errors.DeadlineExceededError("the client has gone"))
        return True

    def _fail(
        self, items: Sequence[batching.Waiting[batch_run.Work]], error: errors.ParallaxError
    ) -> None:
        self._traffic.send([self._runner.failed(each.item, error) for each in items])

    async def _dispatch(self) -> None:
        while True:
            now = time.monotonic()
            ends, self._ends = self._ends, []
            # Before the next runs start: their threads would only wait for the interpreter lock.
            for ended in ends:
                self._finish(ended, now)
            late = self._batcher.expired(now)
            if late:
                problem = errors.DeadlineExceededError("the request's deadline passed in the queue")
                self._fail(late, problem)
            while self._start_batch(now):
                pass
            await events.passed(self._changed, self._pause(now))

    def _ended(self, ended: batch_run.Ended) -> None:
        self._ends.append(ended)
        self._changed.set()

    def _finish(self, ended: batch_run.Ended, now: float) -> None:
        self._running -= 1
        self._guard.end(ended.run)
        key, cap = ended.run.key, ended.outcome.memory_cap
        self._batcher.learn(key, len(ended.run.works), ended.seconds)
        if cap is not None:
            log.warning("out of device memory: batches of %s capped at %d", key, cap)
            self._batcher.lower_cap(key, cap, now)
        self._traffic.send(self._runner.moves(ended))
        self._in_runs[batch_run.version_in(key)] -= 1
        self._prune()

    def _start_batch(self, now: float) -> bool:
        """Let a batch leave the queue, if one may; say whether one did."""
        if self._full:
            return False
        empty = not self._running
        free = self._pace.runs - self._running
        batch = self._batcher.next(
            now, idle=self._idle, draining=self._draining, empty=empty, free=free
        )
        if batch is None:
            return False
        alone = self._solitude.starts(self._running, len(self._batcher))
        run, failed = self._runner.gather(batch, alone=alone)
        self._traffic.send(failed)
        if run.works:
            self._quarantine = batch.reason is batching.Reason.SUSPECT
            self._running += 1
            self._in_runs[batch_run.version_in(batch.key)] += 1
            self._guard.begin(run, self._expected(run))
            self._runner.start(run)
        return True

    def _expected(self, run: batch_run.Run) -> float:
        """Return the seconds that a run should take: as those before it did, or the first."""
        learnt = self._batcher.expected(run.key, len(run.works))
        first = self._bench.sessions[batch_run.version_in(run.key)].warm_seconds
        return learnt or first * len(run.works)

    @property
    def _full(self) -> bool:
        if self._quarantine and self._running:
            return True
        return self._running >= self._pace.runs

    @property
    def _idle(self) -> bool:
        return self._pace.eager or not self._running

    def _pause(self, now: float) -> float | None:
        """Return the seconds after which a held-back batch is due, or None to wait for a change."""
        if self._full or not self._idle:
            return None
        due = self._batcher.due(now)
        if due is None or (self._batcher.suspect_waits and self._running):
            return None
        return max(0.0005, due - now)


def _streams(bench: batch_run.Bench, wanted: Collection[known.Version]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(bench.keys.infer(model) for model, _ in sorted(wanted)))


def _names(version: known.Version, key: Hashable) -> bool:
    return batch_run.version_in(key) == version
