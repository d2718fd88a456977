"""Ends the process of an inference loop when one of its runs does not end.

Only the items of that run are blamed: they are noted on the board before the process is killed, and
what else it held is given back as if nothing had happened.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable

from parallax.policy import watchdog
from parallax.slab import slab as slabs
from parallax.workers import batch_run, metrics

log = logging.getLogger(__name__)


def end_this_process() -> None:
    """Kill this process, also when a thread of it is stuck in a driver."""
    os.kill(os.getpid(), signal.SIGKILL)


class Guard:
    """Watches runs; ``kill`` is called when one of them hangs."""

    def __init__(self, board: slabs.Board, longest: float, kill: Callable[[], None]) -> None:
        self._board = board
        self._kill = kill
        self._watchdog: watchdog.Watchdog[int] = watchdog.Watchdog(longest)
        # By identity: entries of two streams may have the same ids.
        self._runs: dict[int, batch_run.Run] = {}

    def begin(self, run: batch_run.Run, expected: float) -> None:
        """A run begins that is expected to take so many seconds; 0 if nothing is known."""
        self._watchdog.begin(id(run), expected, time.monotonic())
        self._runs[id(run)] = run

    def end(self, run: batch_run.Run) -> None:
        """A run has ended."""
        self._watchdog.end(id(run))
        del self._runs[id(run)]

    async def watch(self) -> None:
        """Look at the runs for ever."""
        while True:
            await asyncio.sleep(watchdog.LOOK_EVERY)
            hung = self._watchdog.overdue(time.monotonic())
            if hung:
                self._accuse(hung)
                self._kill()

    def _accuse(self, hung: list[int]) -> None:
        for number in hung:
            model = batch_run.version_in(self._runs[number].key)[0]
            limit = self._watchdog.limit_of(number)
            metrics.HUNG_RUNS.labels(model).inc()
            log.error(
                "model %s hangs: a run of %d items has taken over %.1f s; this process is killed",
                model,
                len(self._runs[number].ids),
                limit,
            )
        self._board.accuse(*(each for number in hung for each in self._runs[number].ids))
