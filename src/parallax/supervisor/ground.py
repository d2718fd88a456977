"""What has to be there before the first worker starts: sockets, directories, broker, models, slab.

Each step puts its own undoing on the exit stack, so that a start that fails half-way, like an end,
leaves nothing behind.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from dataclasses import dataclass
from importlib import metadata

from parallax.aio import tasks
from parallax.broker import base, client, keys
from parallax.contract import errors, lifeline, spec, topology
from parallax.contract.topology import Role, Stage
from parallax.settings import concerns, machine, sources
from parallax.slab import file, slab
from parallax.supervisor import (
    announce,
    broker_keeper,
    environment,
    fleet,
    plan,
    rundir,
    sockets,
)
from parallax.supervisor import child as children
from parallax.supervisor import (
    prepare as preparing,
)
from parallax.workers import reclaimer

log = logging.getLogger(__name__)

PRELOAD = ["parallax.workers.stage_worker", "uvloop"]
"""Imported once, in the fork server; children share the pages."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the fleet stands on."""

    node: fleet.Node
    broker: broker_keeper.BrokerKeeper
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
) -> Ground:
    """Make everything ready for the fleet.

    Raises:
        StartupError: something cannot be had; the message says what and what to do.
    """
    started = time.monotonic()
    _warn_of_plain_pillow()
    cpus = machine.inspect(sources.environment()).cpus
    names = keys.Keys(settings.broker.namespace, settings.broker.node or "localhost")
    listening = sockets.bind(settings.http.host, settings.http.port)
    for each in listening:
        stack.callback(each.close)
    run_dir = rundir.RunDir()
    stack.callback(run_dir.remove)
    environment.prepare(run_dir.subdirectory("metrics"))
    children.preload(PRELOAD)
    keeper = broker_keeper.make(settings, names, run_dir.path, cpus, changed.set)
    say.line("broker", await keeper.start())
    stack.push_async_callback(keeper.stop)
    crew.background(keeper.run(), "keep broker")
    broker = client.connect_async(keeper.url, names)
    stack.push_async_callback(broker.aclose)
    await _claim_node(settings, broker, names, stack, crew)
    models = await _models(settings, say)
    planned = plan.make(settings, models, cpus)
    shared, path = _slab(settings, planned, stack)
    node = fleet.Node(settings, names, keeper.url, broker, models, planned, shared, path, listening)
    await _prepare_streams(node, stack, crew, keeper.restarted)
    # Unwound first: a sweep or a renewal beside the tidying would bring back what it removes.
    stack.push_async_callback(crew.close)
    host, port = listening[0].getsockname()[:2]
    return Ground(node, keeper, announce.url(host, port), started)


def _warn_of_plain_pillow() -> None:
    """Say so when ``pillow`` was installed over Pillow-SIMD: decoding is slower by half then."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        found = metadata.version("pillow")
        log.warning("pillow %s is installed over Pillow-SIMD; remove it and reinstall that", found)


async def _models(
    settings: concerns.Settings, say: announce.Announcer
) -> tuple[spec.ModelSpec, ...]:
    found = await preparing.read(settings)
    say.models(found)
    return found.specs


def _slab(
    settings: concerns.Settings, planned: plan.Plan, stack: contextlib.AsyncExitStack
) -> tuple[slab.Slab, str]:
    slab_file = file.SlabFile(settings.slab.shm_dir, planned.slab)
    stack.callback(slab_file.unlink)
    shared = slab.Slab(slab_file.path, planned.slab)
    shared.begin_generations(secrets.randbits(31))
    return shared, slab_file.path


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
    hold = base.Acquire(lock, secrets.token_hex(8), int(lease * 1000))
    until = time.monotonic() + lease + 1.0
    while not await broker.execute(hold):
        if time.monotonic() > until:
            raise errors.StartupError(
                f"another parallax serves as node {names.node!r} on this broker; "
                f"choose another name with --node"
            )
        await asyncio.sleep(0.1)
    stack.push_async_callback(_quietly, broker, base.Surrender(lock, hold.token))
    crew.start(_keep_holding(broker, hold, lease / 3.0), "hold the node's name")


async def _keep_holding(broker: base.AsyncBroker, hold: base.Acquire, period: float) -> None:
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
    streams = node.keys.streams(tuple(model.id for model in node.models))
    await node.broker.execute(base.EnsureGroups(tuple(streams.items())))
    holders = _holders(node, streams)
    workers = node.settings.workers
    rules = reclaimer.Rules(workers.max_losses, "the whole node died")
    for stream, holder in holders:
        await reclaimer.give_back(node.broker, (stream,), holder, frozenset(), rules)
    stack.push_async_callback(_retire, node, streams, holders)
    sweeper = reclaimer.Sweeper(
        node.broker, node.keys.node, streams, int(workers.lease * 1000), workers.max_losses
    )
    crew.start(sweeper.run(), "sweeper")
    crew.start(reclaimer.Janitor(node.broker, node.slab, bereaved).run(), "janitor")


def _holders(node: fleet.Node, streams: dict[str, Stage]) -> list[tuple[str, base.Holder]]:
    slots = {
        Stage.PRE: node.plan.cpu_workers,
        Stage.INFER: len(node.plan.devices),
        Stage.POST: node.plan.cpu_workers,
    }
    holders = [
        (stream, base.Holder(stage, topology.consumer_name(node.keys.node, stage, slot)))
        for stream, stage in streams.items()
        for slot in range(slots[stage])
    ]
    sweepers = [
        (stream, base.Holder(stage, reclaimer.sweeper_name(node.keys.node)))
        for stream, stage in streams.items()
    ]
    return holders + sweepers


async def _retire(
    node: fleet.Node, streams: dict[str, Stage], holders: list[tuple[str, base.Holder]]
) -> None:
    """Leave nothing of ours on a broker that outlives us, except what is still unanswered."""
    for stream, holder in holders:
        await _quietly(node.broker, base.Forget(stream, holder))
    for stream, stage in streams.items():
        await _quietly(node.broker, base.Retire(stream, stage))


async def _quietly(broker: base.AsyncBroker, op: base.Op[object]) -> None:
    """Carry out what would be nice to have done before the end."""
    try:
        await broker.execute(op)
    except errors.ParallaxError as problem:
        log.debug("left undone at the end: %s", problem)
