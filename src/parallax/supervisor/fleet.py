"""All processes of a node: made from the plan, started together, stopped in order.

stop:  api processes drain (stop accepting, answer what is in flight) -> pre -> infer -> post -> api
"""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from parallax.aio import tasks
from parallax.broker import base, keys
from parallax.contract import errors, lifeline, topology
from parallax.contract.decoding import Decoding
from parallax.contract.topology import Role, Stage
from parallax.observe import metric_files
from parallax.settings import concerns
from parallax.slab import slab as slabs
from parallax.supervisor import child as children
from parallax.supervisor import credentials, herald, keeper, mains, plan, sockets, streams
from parallax.supervisor.api_config import ApiConfig
from parallax.workers import reclaimer, seating, stage_worker
from parallax.workers.config import WorkerConfig

log = logging.getLogger(__name__)

START_TIMEOUT = {Role.API: 60.0, Role.PRE: 60.0, Role.POST: 60.0, Role.INFER: 600.0}
"""Seconds from launch to ready; an inference loop loads and warms all models in that time."""

WATCH_EVERY = 0.5
"""Seconds between two looks at the processes: are they stuck, do they answer?"""

HOPELESS = 5
"""Deaths of one process before the first readiness that end the start."""

MIN_SILENCE = 5.0
"""Seconds for which a process that is ready may be silent at least; else two leases."""


@dataclass(frozen=True, slots=True)
class Node:
    """What the processes of a node share."""

    settings: concerns.Settings
    keys: keys.Keys
    broker_url: str
    broker: base.AsyncBroker
    plan: plan.Plan
    slab: slabs.Slab
    slab_path: str
    sockets: list[socket.socket]
    roster_path: str
    streams: streams.Streams
    credentials: credentials.Credentials


class Fleet:
    """The slots of a node and the tasks that keep them."""

    def __init__(self, node: Node, changed: Callable[[], None], crier: herald.Herald) -> None:
        self._node = node
        self._herald = crier
        self._changed = changed
        self._boards: dict[str, slabs.Board] = {}
        self.keepers: dict[Role, list[keeper.Keeper]] = {
            Role.PRE: [self._stage(Stage.PRE, slot) for slot in range(node.plan.cpu_workers)],
            Role.POST: [self._stage(Stage.POST, slot) for slot in range(node.plan.cpu_workers)],
            Role.INFER: [self._infer(slot) for slot in range(len(node.plan.devices))],
            Role.API: self._apis(node.settings.http.api_workers),
        }
        crier.keepers = self.keepers

    @property
    def all(self) -> list[keeper.Keeper]:
        """Every slot."""
        return [each for group in self.keepers.values() for each in group]

    def start(self, crew: tasks.Crew) -> None:
        """Start all slots, the slowest to become ready first."""
        for role in (Role.INFER, Role.PRE, Role.POST, Role.API):
            for each in self.keepers[role]:
                crew.background(each.run(), f"keep {each.name}")

    def tell_apis(self, message: lifeline.ToChild) -> None:
        """Tell all api processes something."""
        for each in self.keepers[Role.API]:
            each.say(message)

    def failure(self) -> errors.ParallaxError | None:
        """Return why a child cannot do its work, if one has said so."""
        for each in self.all:
            if each.failure:
                return each.failure
        if given_up := self._herald.trials.given_up():
            return errors.StartupError(given_up)
        for each in self.all:
            if each.restarts >= HOPELESS:
                return errors.StartupError(f"{each.name} dies again and again; see the log above")
        return None

    async def watch(self) -> None:
        """Kill processes that are stuck in one thing, or do not answer at all, for ever."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_EVERY)
            now = time.monotonic()
            for each in self.all:
                if now - looked > 4 * WATCH_EVERY:
                    each.excuse(now)
                    self._herald.trials.excuse(each.name, now)
                self._look_at(each, now)
                each.say(lifeline.Ping())
            looked = now

    def _look_at(self, each: keeper.Keeper, now: float) -> None:
        board = self._boards.get(each.name)
        # A board that a predecessor left behind counts from the readiness of its successor on.
        busy = min(board.busy_for(now), each.ready_for(now)) if board else 0.0
        if busy > self._node.settings.limits.stuck_timeout:
            self._boards[each.name].accuse()
            each.kill(f"stuck for {busy:.0f} s")
        elif each.silent_for(now) > max(MIN_SILENCE, 2 * self._node.settings.workers.lease):
            each.kill(f"silent for {each.silent_for(now):.0f} s")
        elif overdue := self._herald.trials.overdue(each.name, now):
            each.kill(overdue)  # a thread cannot be stopped

    async def drain(self, patience: float) -> None:
        """Let the api processes answer what is in flight; they stop accepting at once."""
        apis = self.keepers[Role.API]
        for each in apis:
            each.end_after_this_life()
        sockets.turn_away(self._node.sockets)
        for listening in self._node.sockets:
            listening.close()  # ours; the api processes close theirs when they drain
        self.tell_apis(lifeline.Drain())
        waiting = [asyncio.ensure_future(_drained(each)) for each in apis if each.state == "ready"]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=patience)
            for waiter in late:
                waiter.cancel()

    async def stop(self, patience: float) -> None:
        """Stop all processes, each role after the one that feeds it, within ``patience``
        seconds."""
        until = time.monotonic() + patience
        for role in (Role.PRE, Role.INFER, Role.POST, Role.API):
            left = max(0.0, until - time.monotonic())
            await asyncio.gather(*(each.stop(left) for each in self.keepers[role]))

    async def kill(self) -> None:
        """Kill everything at once."""
        await asyncio.gather(*(each.stop(patience=0.0) for each in self.all))

    def _apis(self, count: int) -> list[keeper.Keeper]:
        node = self._node
        uuid = secrets.token_hex(16)

        def make(slot: int) -> keeper.Keeper:
            config = ApiConfig(
                slot=slot,
                settings=node.settings,
                keys=node.keys,
                broker_url=node.broker_url,
                roster_path=node.roster_path,
                uuid=uuid,
                slab_path=node.slab_path,
                slab_layout=node.plan.slab,
                arena=node.plan.api(slot),
            )

            def equipped() -> ApiConfig:
                held = node.credentials
                return replace(config, spare_certificate=held.certificate, spare_keys=held.keys)

            return self._kept(
                Role.API,
                slot,
                lambda hear: children.ProcessChild(hear, mains.api, (equipped(), node.sockets)),
                lambda pid: self._forget_api(config, pid),
            )

        return [make(slot) for slot in range(count)]

    def _stage(self, stage: Stage, slot: int) -> keeper.Keeper:
        places = self._node.plan
        if stage is Stage.PRE:
            config = self._config(stage, slot, places.pre(slot), places.pre(slot))
        else:
            config = self._config(stage, slot, None, places.post(slot))
        return self._worker(
            config,
            lambda hear: children.ExecutorChild(
                hear, stage_worker.attach, stage_worker.run, (config,)
            ),
        )

    def _infer(self, slot: int) -> keeper.Keeper:
        place = self._node.plan.infer(slot)
        config = replace(
            self._config(Stage.INFER, slot, place, place),
            device=str(self._node.plan.devices[slot]),
            runs=self._node.plan.runs,
            cores=self._node.plan.cores,
            run_threads=self._node.settings.workers.run_threads,
            cpu_max_batch=self._node.settings.batching.cpu_max_batch,
            provider=self._node.settings.workers.provider,
            cache_dir=self._node.settings.models.cache_dir,
        )
        return self._worker(
            config, lambda hear: children.ProcessChild(hear, mains.infer, (config,))
        )

    def _worker(self, config: WorkerConfig, launch: children.Launcher) -> keeper.Keeper:
        role = topology.STAGE_ROLES[config.stage]
        board = self._node.slab.board(config.board_row)
        made = self._kept(role, config.slot, launch, lambda _: self._bereave(config, board))
        self._boards[made.name] = board
        return made

    def _kept(
        self,
        role: Role,
        slot: int,
        launch: children.Launcher,
        died: Callable[[int], Awaitable[None]],
    ) -> keeper.Keeper:
        async def lost(pid: int) -> None:
            self._herald.lost(made)
            await died(pid)

        hooks = keeper.Hooks(self._changed, lost, lambda said: self._herald.hear(made, said))
        made = keeper.Keeper(role, slot, launch, hooks, START_TIMEOUT[role])
        return made

    async def _forget_api(self, config: ApiConfig, pid: int) -> None:
        """Close the mailbox of a dead api process, so that nobody goes on working for its clients;
        and drop its gauges, which would be added up for ever."""
        metric_files.forget(Role.API, config.slot, pid)
        identity = config.identity(pid)
        try:
            await self._node.broker.execute(base.CloseMailbox(identity))
        except errors.ParallaxError as problem:
            log.debug("the mailbox of %s is left to expire: %s", identity, problem)

    async def _bereave(self, config: WorkerConfig, board: slabs.Board) -> None:
        """Give back at once what a dead worker held, blaming what it was working on."""
        holder = seating.seat(config).holder
        rules = _rules(config, holder.consumer, hung=board.hung)
        guilty = board.read()
        try:
            count = await reclaimer.give_back(
                self._node.broker, self._streams(config.stage), holder, guilty, rules
            )
            if count:  # the tensor of one that was buried is nobody's now
                await reclaimer.Janitor(self._node.broker, self._node.slab).clean(0.0)
        except errors.ParallaxError as problem:
            # Its successor does the same as its first act, when the broker is back.
            log.warning("%s: nothing could be given back yet: %s", holder.consumer, problem)
            return
        board.clear()
        if count:
            what = "entry" if count == 1 else "entries"
            log.warning("%s: %d %s given back", holder.consumer, count, what)

    def _streams(self, stage: Stage) -> tuple[str, ...]:
        """Return the streams of a stage, as they are now."""
        streams = self._node.streams.current
        return tuple(stream for stream, reader in streams.items() if reader is stage)

    def _config(self, stage: Stage, slot: int, arena: int | None, board_row: int) -> WorkerConfig:
        node, settings = self._node, self._node.settings
        return WorkerConfig(
            stage=stage,
            slot=slot,
            keys=node.keys,
            broker_url=node.broker_url,
            roster_path=node.roster_path,
            slab_path=node.slab_path,
            slab_layout=node.plan.slab,
            arena=arena,
            board_row=board_row,
            max_losses=settings.workers.max_losses,
            stuck_timeout=settings.limits.stuck_timeout,
            lease_ms=int(settings.workers.lease * 1000),
            max_pixels=int(settings.limits.max_megapixels * 1e6),
            decoding=Decoding(settings.workers.decode),
            log_level=settings.log.log_level,
        )


def _rules(config: WorkerConfig, consumer: str, *, hung: bool) -> reclaimer.Rules:
    """Return how what a dead worker was working on is treated, and what is said about it."""
    if not hung:
        return reclaimer.Rules(config.max_losses, f"{consumer} died while working on it")
    what = "model" if config.stage is Stage.INFER else f"{config.stage.value} stage"
    told = f"the {what} hung on this request: it was given up after {config.max_losses} attempts"
    return reclaimer.Rules(config.max_losses, f"the {what} hung in {consumer}", told)


async def _drained(api: keeper.Keeper) -> None:
    """Wait until an api process has answered all, or died of it."""
    events = [asyncio.ensure_future(wait) for wait in (api.drained.wait(), api.gone())]
    try:
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for event in events:
            event.cancel()
