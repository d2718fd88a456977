"""Entries in and moves out, on a broker in memory: how many trips that takes, and what breaks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from parallax.broker import base
from parallax.contract import messages, wire
from parallax.contract.topology import Stage
from parallax.workers import traffic, triage
from tests.support.wait import wait_until_async
from tests.workers import world as worlds

SEAT = worlds.seat(Stage.PRE)


class Hands:
    """Holds what comes in until the test lets it go."""

    def __init__(self, world: worlds.World, capacity: int) -> None:
        self.entries: list[base.Entry] = []
        self.came: list[str] = []
        self.open = False
        """Whether it lets everything go at once."""
        self.traffic = traffic.Traffic(
            world.async_broker(), SEAT, world.slab, lambda: capacity, self._take_in
        )
        self.traffic.follow((worlds.KEYS.pre,))

    def _take_in(self, entries: Sequence[base.Entry]) -> None:
        self.entries += entries
        self.came += [entry.address.request for entry in entries]
        if self.open:
            self.let_go(len(self.entries))

    def let_go(self, count: int = 1) -> None:
        """Answer the oldest entries."""
        done, self.entries = self.entries[:count], self.entries[count:]
        self.traffic.send([triage.Move(answer(entry)) for entry in done])


def answer(entry: base.Entry) -> base.Finish:
    reply = messages.Reply(entry.address.request, 0, "", "", messages.Timings())
    return base.Finish(entry, SEAT.holder, wire.encode(reply), b"done")


@asynccontextmanager
async def full(world: worlds.World, capacity: int, waiting: int) -> AsyncIterator[Hands]:
    """Fill the hands while more waits; let all go in the end."""
    for number in range(capacity + waiting):
        world.submit(f"r{number}")
    hands, stop = Hands(world, capacity), asyncio.Event()
    carrying = asyncio.ensure_future(hands.traffic.carry())
    fetching = asyncio.ensure_future(hands.traffic.fetch(stop))
    try:
        await wait_until_async(lambda: len(hands.entries) == capacity, "hands are full")
        yield hands
    finally:
        stop.set()
        hands.open = True
        hands.let_go(len(hands.entries))
        async with asyncio.timeout(10):
            await fetching
            await hands.traffic.finish()
        carrying.cancel()


def kinds(ops: Sequence[base.Op[object]]) -> list[type]:
    return [type(op) for op in ops]


async def test_full_hands_read_the_next_entry_in_the_trip_that_moves_one_on(
    world: worlds.World,
) -> None:
    async with full(world, 2, waiting=1) as hands:
        world.fault.seen.clear()
        hands.let_go()
        await wait_until_async(lambda: len(hands.entries) == 2, "hands are full again")

        assert kinds(world.fault.seen) == [base.Finish, base.Read]
        assert hands.came == ["r0", "r1", "r2"]


async def test_what_is_sent_together_shares_a_trip_and_makes_room_for_as_many(
    world: worlds.World,
) -> None:
    async with full(world, 3, waiting=3) as hands:
        world.fault.seen.clear()
        hands.let_go(1)
        hands.let_go(2)
        await wait_until_async(lambda: len(hands.came) == 6, "all are there")

        assert kinds(world.fault.seen) == [base.Finish, base.Finish, base.Finish, base.Read]


async def test_while_a_read_waits_moves_go_alone(world: worlds.World) -> None:
    async with full(world, 2, waiting=0) as hands:
        hands.let_go()
        await wait_until_async(world.answers, "it is answered")
        await wait_until_async(lambda: hands.traffic.reading, "it waits for more")
        world.fault.seen.clear()
        hands.let_go()
        await wait_until_async(lambda: len(world.answers()) == 2, "the other is answered")

        assert kinds(world.fault.seen)[:1] == [base.Finish]


async def test_what_a_broken_trip_brought_is_given_back_once_hands_are_empty(
    world: worlds.World,
) -> None:
    async with full(world, 2, waiting=2) as hands:
        world.fault.after = world.fault.once(base.Read)
        hands.let_go()
        await wait_until_async(world.answers, "the first is answered")
        await wait_until_async(lambda: world.stats(worlds.KEYS.pre).pending == 2, "one is lost")
        assert len(hands.came) == 2, "nothing is read before the loss is settled"
        hands.let_go()

        await wait_until_async(lambda: len(hands.came) == 4, "the others come")
        assert [entry.losses for entry in hands.entries] == [0, 0]

    assert sorted(world.codes()) == ["r0", "r1", "r2", "r3"]


async def test_a_stop_settles_what_a_broken_trip_brought(world: worlds.World) -> None:
    async with full(world, 1, waiting=1) as hands:
        world.fault.after = world.fault.once(base.Read)
        hands.let_go()
        await wait_until_async(world.answers, "it is answered")

    assert world.stats(worlds.KEYS.pre).pending == 0
    for entry in world.take(Stage.PRE, 9):
        world.broker.execute(answer(entry))


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_move_whose_trip_breaks_is_made_once(world: worlds.World, fault: str) -> None:
    async with full(world, 1, waiting=0) as hands:
        setattr(world.fault, fault, world.fault.once(base.Finish))
        hands.let_go()
        await wait_until_async(world.answers, "it is answered")

    assert len(world.answers()["r0"]) == 1


async def test_streams_that_are_not_followed_any_more_are_not_being_read(
    world: worlds.World,
) -> None:
    async with full(world, 2, waiting=0) as hands:
        hands.let_go()
        await wait_until_async(lambda: hands.traffic.reading, "it waits for more")
        hands.traffic.follow(())
        await hands.traffic.until_followed()

        assert hands.traffic.reading == ()
