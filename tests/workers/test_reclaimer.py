"""Giving back what dead owners held; the backstop by lease; slots that nobody will free."""

import asyncio
import time

import pytest

from parallax.broker import base, housekeeping
from parallax.contract import messages, wire
from parallax.contract.topology import Stage
from parallax.workers import reclaimer
from tests.support.wait import wait_until_async
from tests.workers import world as worlds

PRE = worlds.seat(Stage.PRE).holder
RULES = reclaimer.Rules(worlds.MAX_LOSSES, "test")


def finish_all(world: worlds.World) -> dict[str, int]:
    """Answer everything that waits in the pre stream; return the losses of each."""
    losses = {}
    for entry in world.take(Stage.PRE, 2000):
        losses[entry.address.request] = entry.losses
        reply = messages.Reply(entry.address.request, 0, "", "", messages.Timings())
        world.broker.execute(base.Finish(entry, PRE, wire.encode(reply), b""))
    return losses


def sweeper(world: worlds.World, lease_ms: int = 50, node: str = "n1") -> reclaimer.Sweeper:
    return reclaimer.Sweeper(world.async_broker(), node, world.streams, lease_ms, worlds.MAX_LOSSES)


def idle(world: worlds.World, seconds: float) -> None:
    """Let everything pending in the pre stream look untouched for so long."""
    group = world.memory.store.group(worlds.KEYS.pre, "pre")
    assert group is not None
    for held in group.pending.values():
        held.since = time.monotonic() - seconds


async def test_all_pages_of_a_dead_consumer_are_given_back(world: worlds.World) -> None:
    for number in range(250):
        world.submit(f"r{number}")
    world.take(Stage.PRE, 250)

    count = await reclaimer.give_back(
        world.async_broker(), (worlds.KEYS.pre,), PRE, frozenset(), RULES
    )

    assert count == 250
    assert set(finish_all(world).values()) == {0}


async def test_only_the_guilty_are_blamed(world: worlds.World) -> None:
    world.submit("a")
    world.submit("b")
    _, guilty = world.take(Stage.PRE, 2)

    await reclaimer.give_back(
        world.async_broker(), (worlds.KEYS.pre,), PRE, frozenset({guilty.id}), RULES
    )

    assert finish_all(world) == {"a": 0, "b": 1}


async def test_an_entry_with_too_many_losses_is_buried_and_its_client_told(
    world: worlds.World,
) -> None:
    world.submit("r")
    for _ in range(worlds.MAX_LOSSES):
        world.take(Stage.PRE)
        await reclaimer.give_back(world.async_broker(), (worlds.KEYS.pre,), PRE, None, RULES)

    assert world.codes() == {"r": "poisoned"}
    assert world.dead_letters() == 1


async def test_a_consumer_that_held_nothing_gives_nothing_back(world: worlds.World) -> None:
    given = await reclaimer.give_back(world.async_broker(), tuple(world.streams), PRE, None, RULES)

    assert given == 0


async def test_entries_that_nobody_renewed_are_swept(world: worlds.World) -> None:
    world.submit("r")
    world.take(Stage.PRE)
    idle(world, 1.0)

    assert await sweeper(world).sweep() == 1

    assert finish_all(world) == {"r": 1}


async def test_entries_of_the_living_are_not_swept(world: worlds.World) -> None:
    world.submit("r")
    (entry,) = world.take(Stage.PRE)

    assert await sweeper(world, lease_ms=60_000).sweep() == 0

    world.broker.execute(base.Finish(entry, PRE, b"x", b""))


async def test_sweeps_get_past_pages_of_living_entries(world: worlds.World) -> None:
    for number in range(1100):
        world.submit(f"r{number}")
    world.take(Stage.PRE, 1099)
    holder = worlds.seat(Stage.PRE, 5).holder
    (dead,) = world.broker.execute(base.Read((worlds.KEYS.pre,), holder, 1, 0))
    group = world.memory.store.group(worlds.KEYS.pre, "pre")
    assert group is not None
    next(each for each in group.pending.values() if each.consumer == holder.consumer).since -= 100.0
    sweeping = sweeper(world, lease_ms=60_000)

    swept = [await sweeping.sweep() for _ in range(3)]

    assert sum(swept) == 1, "always starting at the beginning never reaches the dead one"
    assert dead.id
    await reclaimer.give_back(world.async_broker(), (worlds.KEYS.pre,), PRE, frozenset(), RULES)
    assert len(finish_all(world)) == 1100


async def test_each_stream_is_swept_by_one_node_of_two(world: worlds.World) -> None:
    first, second = sweeper(world, 30, "n1"), sweeper(world, 30, "n2")
    tasks = [asyncio.ensure_future(each.run()) for each in (first, second)]
    world.submit("r")
    world.take(Stage.PRE)
    idle(world, 1.0)

    await wait_until_async(
        lambda: world.stats(worlds.KEYS.pre).pending == 0, "the entry is given back"
    )

    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    claims = [op for op in world.fault.seen if isinstance(op, base.Claim)]
    for stream in world.streams:
        assert len({op.holder.consumer for op in claims if op.stream == stream}) == 1
    assert finish_all(world) == {"r": 1}


async def test_a_sweeper_survives_a_broker_that_is_away(world: worlds.World) -> None:
    world.fault.before = world.fault.once(housekeeping.Acquire)
    task = asyncio.ensure_future(sweeper(world, lease_ms=10).run())

    await wait_until_async(
        lambda: any(isinstance(op, base.Claim) for op in world.fault.seen), "it sweeps again"
    )

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def orphan(world: worlds.World, record: str) -> messages.SlotRef:
    arena = world.slab.arena(worlds.TENSORS)
    slot = arena.allocate(record)
    assert slot is not None
    arena.publish(slot)
    return slot


async def test_slots_of_finished_requests_are_freed_and_others_kept(world: worlds.World) -> None:
    live = world.submit("live")
    kept = orphan(world, live)
    orphan(world, "1-0")
    janitor = reclaimer.Janitor(world.async_broker(), world.slab)

    assert await janitor.clean(0.0) == 1
    assert [each.ref for each in world.slab.held()] == [kept]

    finish_all(world)
    assert await janitor.clean(0.0) == 1


async def test_slots_of_a_record_that_went_round_again_are_kept(world: worlds.World) -> None:
    record = world.submit("r")
    orphan(world, record)
    world.lose(Stage.PRE)
    janitor = reclaimer.Janitor(world.async_broker(), world.slab)

    assert await janitor.clean(0.0) == 0

    finish_all(world)
    assert await janitor.clean(0.0) == 1


async def test_young_slots_and_those_being_written_are_left_alone(world: worlds.World) -> None:
    orphan(world, "1-0")
    writing = world.slab.arena(worlds.TENSORS).allocate("2-0")
    janitor = reclaimer.Janitor(world.async_broker(), world.slab)

    assert await janitor.clean(60.0) == 0
    assert await janitor.clean(0.0) == 1

    assert [each.ref for each in world.slab.held()] == [writing]
    world.slab.arena(worlds.TENSORS).reclaim_unfinished()


async def test_a_clean_slab_asks_the_broker_nothing(world: worlds.World) -> None:
    await reclaimer.Janitor(world.async_broker(), world.slab).clean(0.0)

    assert world.fault.seen == []


async def test_a_janitor_works_for_ever_also_past_a_broker_that_is_away(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reclaimer, "MIN_ORPHAN_AGE", 0.0)
    orphan(world, "1-0")
    world.fault.before = world.fault.once(base.Live)
    janitor = reclaimer.Janitor(world.async_broker(), world.slab, period=0.005)
    task = asyncio.ensure_future(janitor.run())

    await wait_until_async(lambda: not world.slab.held(), "the slot is freed")

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_broker_that_came_back_empty_frees_its_slots_at_once(world: worlds.World) -> None:
    orphan(world, "1-0")
    janitor = reclaimer.Janitor(world.async_broker(), world.slab, period=3600.0)
    task = asyncio.ensure_future(janitor.run())

    janitor.bereaved.set()
    await wait_until_async(lambda: not world.slab.held(), "the slot is freed")

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
