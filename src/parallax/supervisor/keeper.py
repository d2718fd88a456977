"""Keeps one slot alive: starts its process, watches it, and starts it again after it died."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from parallax.contract import errors, lifeline
from parallax.contract.topology import Role
from parallax.policy import restarts as policy
from parallax.supervisor import child as children

log = logging.getLogger(__name__)

STOP_PATIENCE = 10.0
"""Seconds that processes get to finish what is in hand before they are killed."""


def _deaf(_: lifeline.FromChild) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a keeper tells its surroundings."""

    changed: Callable[[], None]
    """Called after each change of state."""
    died: Callable[[int], Awaitable[None]]
    """Awaited with the pid after an unexpected death, before the restart: gives back what the
    process held."""
    heard: Callable[[lifeline.FromChild], None] = _deaf
    """Called with what the process says about models."""


@dataclass(slots=True)
class Keeper:
    """One slot. ``run`` lasts until ``stop`` was called and the process has ended."""

    role: Role
    slot: int
    launch: children.Launcher
    hooks: Hooks
    start_timeout: float = 60.0
    state: str = "starting"
    detail: str = ""
    restarts: int = 0
    failure: errors.ParallaxError | None = None
    """Why the child says that it cannot work; for the start, this is fatal."""
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    _backoff: policy.Backoff = field(default_factory=policy.Backoff)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _child: children.Child | None = None
    _started: float = 0.0
    _heard: float = 0.0
    _ready_at: float = 0.0
    _worked: float = 0.0
    """Seconds for which the last process was ready. Loading for long and then failing is no
    life."""
    _reason: str = ""
    """How the last process ended, or why it was killed."""
    _sentence: str = ""
    """Why the present process is being killed."""
    _died_at: float | None = None
    """When the predecessor of a process that is not ready yet ended."""
    _last_life: bool = False
    _was_ready: bool = False

    @property
    def name(self) -> str:
        """``pre:3``."""
        return f"{self.role.value}:{self.slot}"

    @property
    def pid(self) -> int:
        """Process id, 0 while there is no process."""
        return self._child.pid if self._child else 0

    def info(self, now: float) -> lifeline.ProcessInfo:
        """Return the slot's row of the process table."""
        uptime = now - self._started if self._child else 0.0
        return lifeline.ProcessInfo(
            self.role.value,
            self.slot,
            self.pid,
            self.state,
            self.restarts,
            round(uptime, 3),
            self._reason,
        )

    def say(self, message: lifeline.ToChild) -> None:
        """Tell the process something, if there is one."""
        if self._child:
            self._child.line.say(message)

    def kill(self, reason: str) -> None:
        """Kill the process; it is then started again like any that died."""
        if self._child:
            log.error("%s (pid %d) is killed: %s", self.name, self.pid, reason)
            self._sentence = f"killed: {reason}"
            children.kill(self.pid)

    def ready_for(self, now: float) -> float:
        """Return for how many seconds the process has been ready; 0 if it is not."""
        return now - self._ready_at if self.state == "ready" else 0.0

    def silent_for(self, now: float) -> float:
        """Return for how many seconds nothing was heard from a process that is ready."""
        return now - self._heard if self.state == "ready" else 0.0

    def excuse(self, now: float) -> None:
        """Forget a silence that was our own fault: we were not there to listen."""
        self._heard = now

    def end_after_this_life(self) -> None:
        """Do not start the process again when it ends."""
        self._last_life = True

    async def gone(self) -> None:
        """Wait until the process has ended and will not be started again."""
        await self._gone.wait()

    async def run(self) -> None:
        """Keep the slot alive until it is stopped."""
        try:
            while not (self._stopping.is_set() or self._last_life):
                how, pid = await self._one_life()
                if not self._stopping.is_set():
                    await self._after_death(how, pid)
        finally:
            # Also when keeping failed: whoever stops the slot must not wait for ever.
            self._become("stopped")
            self._gone.set()

    async def stop(self, patience: float = STOP_PATIENCE) -> None:
        """Tell the process to finish and exit; kill it after ``patience`` seconds."""
        self._stopping.set()
        if self.state != "stopped":
            self._become("stopping")
        self.say(lifeline.Stop())
        try:
            async with asyncio.timeout(patience):
                await self._gone.wait()
        except TimeoutError:
            if patience > 0:
                log.error("%s did not stop within %.0f s and is killed", self.name, patience)
            children.kill(self.pid)
            await self._gone.wait()

    async def _one_life(self) -> tuple[str, int]:
        """Return how the process ended, and its pid."""
        self._become("starting")
        self._started = time.monotonic()
        pid = 0
        try:
            self._child = self.launch(self._hear)
            pid = self._child.pid
            how = await self._until_ended(self._child)
        except Exception as problem:  # a machine out of memory or descriptors: try again later
            log.exception("%s could not be started or watched", self.name)
            children.kill(pid)
            how = repr(problem)
        self._worked = self.ready_for(time.monotonic())
        self._child = None
        return how, pid

    async def _until_ended(self, child: children.Child) -> str:
        ending = asyncio.ensure_future(child.ended())
        done, _ = await asyncio.wait({ending}, timeout=self.start_timeout)
        if not done and self.state == "starting":
            self.kill(f"it was not ready within {self.start_timeout:.0f} s")
        return await ending

    async def _after_death(self, how: str, pid: int) -> None:
        if self._last_life:
            log.error("%s ended: %s", self.name, how)
            await self.hooks.died(pid)
            return
        self._reason, self._sentence = self._sentence or how, ""
        self.restarts += 1
        if self._died_at is None:  # of several deaths without a life between, the first
            self._died_at = time.monotonic()
        self._become("backing-off")
        delay = self._backoff.after(self._worked)
        log.error("%s ended: %s; restart %d in %.2f s", self.name, how, self.restarts, delay)
        await self.hooks.died(pid)
        try:
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _hear(self, message: lifeline.FromChild) -> None:
        self._heard = time.monotonic()
        match message:
            case lifeline.Ready():
                self.detail = message.detail
                self._was_ready = True
                self._ready_at = time.monotonic()
                self._become("ready")
                self._say_if_back()
                self.hooks.heard(message)
            case lifeline.Failed():
                self.failure = errors.from_code(message.code, message.message)
                # Before it was ever ready this is a matter of settings: once more would be no use.
                self._last_life = self._last_life or not self._was_ready
                log.error("%s: %s", self.name, message.message)
                self.hooks.changed()
            case lifeline.Drained():
                self.drained.set()
            case lifeline.Hello():
                log.debug("%s runs as pid %d", self.name, message.pid)
            case lifeline.Loading() | lifeline.Knows() | lifeline.Settled() | lifeline.Order():
                self.hooks.heard(message)
            case lifeline.Pong():
                pass  # that it was heard is all there is to it

    def _say_if_back(self) -> None:
        if self._died_at is not None and self.state == "ready":
            seconds = self._ready_at - self._died_at
            log.info("%s is ready again after %.1f s", self.name, seconds)
            self._died_at = None

    def _become(self, state: str) -> None:
        if self._stopping.is_set() and state == "ready":
            return
        self.state = state
        self.hooks.changed()
