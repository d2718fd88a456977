"""``parallax serve``: everything from bound sockets to an empty process table.

The supervisor serves nothing itself. It starts things in order, keeps them, tells the api processes
how the tree fares, and stops things in order:

    start:  sockets -> fork server -> broker -> models -> slab -> infer, pre, post, api
    stop:   drain -> pre -> infer -> post -> api -> broker -> files
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop
from msgspec import structs

from parallax.aio import tasks
from parallax.contract import errors
from parallax.observe import logs, stderr
from parallax.settings import concerns
from parallax.supervisor import announce, fleet, ground, health, keeper, pid1

log = logging.getLogger(__name__)

T = TypeVar("T")

HEALTH_EVERY = 1.0
"""Seconds between two reports to the api processes when nothing changes."""

UNWIND = 10.0
"""Seconds that an interrupted start gets to give back what it has taken."""

FAREWELL = 2.0
"""Seconds after the drain deadline in which api processes send what they still owe: errors."""

FORCED = 130
"""Exit status after a second signal."""


def serve(settings: concerns.Settings, tune: ground.Tune | None = None) -> int:
    """Serve until a signal; return the exit code.

    ``tune`` may measure at the start and change the settings.

    Raises:
        StartupError: the server cannot start here.
        SettingsError: a setting turns out to be impossible.
    """
    stderr.never_wait()
    logs.configure("supervisor", settings.log.log_level)
    return pid1.guard(lambda: uvloop.run(_run(settings, tune)))


async def _run(settings: concerns.Settings, tune: ground.Tune | None) -> int:
    return await Supervisor(settings, tune).run()


class Signals:
    """Records SIGTERM and SIGINT; a loop acts on them."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._record)

    def _record(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


class Supervisor:
    """One run of the server."""

    def __init__(self, settings: concerns.Settings, tune: ground.Tune | None) -> None:
        self._settings = settings
        self._tune = tune
        self._say = announce.Announcer()
        self._signals = Signals()
        self._changed = asyncio.Event()
        self._fleet: fleet.Fleet | None = None
        self._readiness = health.Readiness()
        self._served = False
        """Between start and stop: whether it is news that the server is not ready."""

    async def run(self) -> int:
        """Start, keep, stop. Every resource is given back on every way out."""
        async with contextlib.AsyncExitStack() as stack:
            crew = tasks.Crew()
            stack.push_async_callback(crew.close)
            life = asyncio.ensure_future(self._live(stack, crew))
            forced = asyncio.ensure_future(self._signals.second.wait())
            await asyncio.wait({life, forced}, return_when=asyncio.FIRST_COMPLETED)
            forced.cancel()
            if life.done():
                life.result()
                return 0
            log.warning("second signal: killing what is left")
            life.cancel()
            await asyncio.wait({life}, timeout=1.0)
            if self._fleet:
                await self._fleet.kill()
        return FORCED

    async def _live(self, stack: contextlib.AsyncExitStack, crew: tasks.Crew) -> None:
        base = await self._unless_signalled(
            ground.prepare(self._settings, stack, crew, self._say, self._changed, self._tune),
            crew,
        )
        if base is None:
            return
        self._fleet = running = fleet.Fleet(base.node, self._changed.set, base.stock.herald)
        running.start(crew)
        crew.start(self._report(running, base), "report health")
        crew.start(running.watch(), "watch processes")
        failed = False
        try:
            if await self._unless_signalled(self._until_ready(running), crew):
                self._say.ready(base.url, base.stock.rollout.roster.serving)
                self._served = True
                base.stock.start(crew)
                await crew.until(self._signals.first)
        except errors.ParallaxError:
            failed = True  # whoever catches it says all there is to say
            raise
        finally:
            await self._stop(running, silently=failed)

    async def _unless_signalled(self, work: Coroutine[Any, Any, T], crew: tasks.Crew) -> T | None:
        """Return what the work returns, or None when a signal comes first."""
        working = asyncio.ensure_future(work)
        signalled = asyncio.ensure_future(self._signals.first.wait())
        try:
            await crew.race({working, signalled})
            return working.result() if working.done() else None
        finally:
            signalled.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working}, timeout=UNWIND)

    async def _until_ready(self, running: fleet.Fleet) -> bool:
        waiting = dict(running.keepers)
        while waiting:
            failure = running.failure()
            if failure is not None:
                raise failure
            for role, group in list(waiting.items()):
                if all(each.state == "ready" for each in group):
                    self._say.group(role, group[0].detail, [each.pid for each in group])
                    del waiting[role]
            if waiting:
                await self._change()
        return True

    async def _report(self, running: fleet.Fleet, base: ground.Ground) -> None:
        while True:
            now = time.monotonic()
            broker = base.broker.info(now)
            rows = [each.info(now) for each in running.all]
            table = [base.own_row(now), *([broker] if broker else []), *rows]
            told = health.judge(table, broker_up=base.broker.up, at=now)
            slab = base.node.slab
            if self._served and (line := self._readiness.look(told)):
                log.log(logging.INFO if told.ready else logging.WARNING, line)
            running.tell_apis(
                structs.replace(told, slots=slab.layout.total_slots, slots_held=len(slab.held()))
            )
            await self._change()

    async def _change(self) -> None:
        """Wait for a change of any state, at most for the time between two reports."""
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEALTH_EVERY):
                await changed.wait()
        # One turn of the loop lets every waiter see the event before it is cleared.
        await asyncio.sleep(0)
        changed.clear()

    async def _stop(self, running: fleet.Fleet, *, silently: bool) -> None:
        self._served = False
        if not silently:
            self._say.line("stopping", "answering what is in flight; a second signal forces")
        await running.drain(self._settings.limits.drain_timeout + FAREWELL)
        await running.stop(keeper.STOP_PATIENCE)
        if not silently:
            self._say.line("stopped", f"{len(running.all)} processes")
