"""What has to be there before the first worker starts: sockets, directories, broker, models, slab.

Each step puts its own undoing on the exit stack, so that a start that fails half-way, like an end,
leaves nothing behind.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import metadata

from parallax.aio import rosters, tasks
from parallax.broker import base, client, housekeeping, keys
from parallax.contract import errors, lifeline, topology
from parallax.contract.topology import Role, Stage
from parallax.policy import shelf as shelves
from parallax.settings import concerns, machine, sources
from parallax.slab import file, slab
from parallax.supervisor import (
    announce,
    broker_keeper,
    credentials,
    environment,
    fleet,
    plan,
    room,
    rundir,
    sockets,
    stock,
    streams,
)
from parallax.supervisor import child as children
from parallax.workers import reclaimer

log = logging.getLogger(__name__)

PRELOAD = ["parallax.workers.stage_worker", "uvloop"]
"""Imported once, in the fork server; children share the pages."""


Tune = Callable[[concerns.Settings, announce.Announcer], Awaitable[concerns.Settings]]
"""Returns the settings with what was left open chosen for this machine."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the fleet stands on."""

    node: fleet.Node
    broker: broker_keeper.BrokerKeeper
    stock: stock.Stock
    url: str
    started: float

    def own_row(self, now: float) -> lifeline.ProcessInfo:
        """Return the supervisor's row of the process table."""
        return lifeline.ProcessInfo(
            Role.SUPERVISOR.value, 0, os.getpid(), "ready", 0, round(now - self.started, 3)
        )


async def prepare(
    settings: concerns.Settings,
    stack: contextlib.AsyncExitStack,
    crew: tasks.Crew,
    say: announce.Announcer,
    changed: asyncio.Event,
    tune: Tune | None,
) -> Ground:
    """Make everything ready for the fleet.

    Raises:
        StartupError: something cannot be had; the message says what and what to do.
    """
    started = time.monotonic()
    _warn_of_plain_pillow()
    cpus = machine.inspect(sources.environment()).cpus
    names = keys.Keys(settings.broker.namespace, settings.broker.node or "localhost")
    listening, passes = _listen(settings, stack, crew)
    run_dir = _run_dir(stack)
    children.preload(PRELOAD)
    settings = settings if tune is None else await tune(settings, say)
    keeper = broker_keeper.make(settings, names, run_dir.path, cpus, changed.set)
    say.line("broker", await keeper.start())
    stack.push_async_callback(keeper.stop)
    crew.background(keeper.run(), "keep broker")
    broker = client.connect_async(keeper.url, names)
    stack.push_async_callback(broker.aclose)
    await _claim_node(settings, broker, names, stack, crew)
    found = await stock.take(settings, say)
    planned = plan.make(
        settings, found.shelf.serving(), cpus, file.total_bytes(settings.slab.shm_dir)
    )
    memory, shared = _slab(settings, planned, stack)
    flow = _streams(broker, names, planned, found.shelf)
    roster = run_dir.path / rosters.NAME
    node = fleet.Node(
        settings=settings,
        keys=names,
        broker_url=keeper.url,
        broker=broker,
        plan=planned,
        slab=shared,
        slab_path=memory.path,
        sockets=listening,
        roster_path=str(roster),
        streams=flow,
        credentials=passes,
    )
    await _prepare_streams(node, stack, crew, keeper.restarted)
    stocked = stock.make(settings, found, roster, flow, room.Room(planned, memory))
    # Unwound first: a sweep or a renewal beside the tidying would bring back what it removes.
    stack.push_async_callback(crew.close)
    return Ground(node, keeper, stocked, _url(settings, listening), started)


def _run_dir(stack: contextlib.AsyncExitStack) -> rundir.RunDir:
    made = rundir.RunDir()
    stack.callback(made.remove)
    environment.prepare(made.subdirectory("metrics"))
    return made


def _listen(
    settings: concerns.Settings, stack: contextlib.AsyncExitStack, crew: tasks.Crew
) -> tuple[list[socket.socket], credentials.Credentials]:
    """Return the sockets, with what clients there are met with."""
    passes = credentials.Credentials(settings.http)
    listening = sockets.bind(settings.http.host, settings.http.port)
    for each in listening:
        stack.callback(each.close)
    crew.background(passes.watch(), "watch credentials")
    return listening, passes


def _url(settings: concerns.Settings, listening: list[socket.socket]) -> str:
    host, port = listening[0].getsockname()[:2]
    return announce.url(host, port, tls=settings.http.tls_cert is not None)


def _warn_of_plain_pillow() -> None:
    """Say so when ``pillow`` was installed over Pillow-SIMD: decoding is slower by half then."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        found = metadata.version("pillow")
        log.warning("pillow %s is installed over Pillow-SIMD; remove it and reinstall that", found)


def _slab(
    settings: concerns.Settings, planned: plan.Plan, stack: contextlib.AsyncExitStack
) -> tuple[file.SlabFile, slab.Slab]:
    slab_file = file.SlabFile(settings.slab.shm_dir, planned.slab, planned.needed)
    stack.callback(slab_file.unlink)
    shared = slab.Slab(slab_file.path, planned.slab)
    shared.begin_generations(secrets.randbits(31))
    return slab_file, shared


def _streams(
    broker: base.AsyncBroker, names: keys.Keys, planned: plan.Plan, shelf: shelves.Shelf
) -> streams.Streams:
    slots = {
        Stage.PRE: planned.cpu_workers,
        Stage.INFER: len(planned.devices),
        Stage.POST: planned.cpu_workers,
    }
    holders = {
        stage: (
            *(topology.consumer_name(names.node, stage, slot) for slot in range(count)),
            reclaimer.sweeper_name(names.node),
        )
        for stage, count in slots.items()
    }
    served = tuple(model.id for model in shelf.serving())
    return streams.Streams(broker, names, names.streams(served), holders)


async def _claim_node(
    settings: concerns.Settings,
    broker: base.AsyncBroker,
    names: keys.Keys,
    stack: contextlib.AsyncExitStack,
    crew: tasks.Crew,
) -> None:
    """Hold the node's name, under which consumers and streams are known, as long as we live."""
    lease = settings.workers.lease
    lock = f"node:{names.node}"
    hold = housekeeping.Acquire(lock, secrets.token_hex(8), int(lease * 1000))
    until = time.monotonic() + lease + 1.0
    while not await broker.execute(hold):
        if time.monotonic() > until:
            raise errors.StartupError(
                f"another parallax serves as node {names.node!r} on this broker; "
                f"choose another name with --node"
            )
        await asyncio.sleep(0.1)
    stack.push_async_callback(_quietly, broker, housekeeping.Surrender(lock, hold.token))
    crew.start(_keep_holding(broker, hold, lease / 3.0), "hold the node's name")


async def _keep_holding(
    broker: base.AsyncBroker, hold: housekeeping.Acquire, period: float
) -> None:
    while True:
        await asyncio.sleep(period)
        try:
            if not await broker.execute(hold):
                log.error("another process took over the name of this node (%s)", hold.name)
        except errors.ParallaxError as problem:
            log.debug("node lock not renewed: %s", problem)


async def _prepare_streams(
    node: fleet.Node,
    stack: contextlib.AsyncExitStack,
    crew: tasks.Crew,
    bereaved: asyncio.Event,
) -> None:
    """Make the streams, take back what an earlier life of this node held, and keep both tidy."""
    flow, workers = node.streams, node.settings.workers
    await node.broker.execute(housekeeping.EnsureGroups(tuple(flow.current.items())))
    rules = reclaimer.Rules(workers.max_losses, "the whole node died")
    for stream, holder in flow.seats():
        await reclaimer.give_back(node.broker, (stream,), holder, frozenset(), rules)
    stack.push_async_callback(flow.close_all)
    sweeper = reclaimer.Sweeper(
        node.broker, node.keys.node, flow.current, int(workers.lease * 1000), workers.max_losses
    )
    crew.start(sweeper.run(), "sweeper")
    crew.start(reclaimer.Janitor(node.broker, node.slab, bereaved).run(), "janitor")


async def _quietly(broker: base.AsyncBroker, op: base.Op[object]) -> None:
    """Carry out what would be nice to have done before the end."""
    try:
        await broker.execute(op)
    except errors.ParallaxError as problem:
        log.debug("left undone at the end: %s", problem)
