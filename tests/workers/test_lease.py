"""Proof of life on a thread of its own."""

import threading
import time

from parallax.broker import base
from parallax.contract.topology import Stage
from parallax.workers import lease
from tests.support import fakes
from tests.support.wait import wait_until
from tests.workers import world as worlds

HOLDER = worlds.seat(Stage.PRE).holder


def keeper(world: worlds.World, ttl_ms: int = 60) -> lease.LeaseKeeper:
    renew = base.Renew((worlds.KEYS.pre,), HOLDER, ttl_ms)
    return lease.LeaseKeeper(world.blocking_broker, lambda: renew, HOLDER.consumer)


def renewals(world: worlds.World) -> int:
    return sum(isinstance(op, base.Renew) for op in world.fault.seen)


def has_lease(world: worlds.World) -> bool:
    return worlds.KEYS.lease(HOLDER.consumer) in world.memory.store.names()


def test_a_lease_is_renewed_while_its_owner_is_busy(world: worlds.World) -> None:
    keeping = keeper(world)
    keeping.start()

    wait_until(lambda: renewals(world) >= 5, "it was renewed five times")

    assert has_lease(world)
    keeping.stop()


def test_pending_entries_of_a_living_owner_do_not_look_idle(world: worlds.World) -> None:
    world.submit("r")
    (entry,) = world.take(Stage.PRE)
    keeping = keeper(world)
    keeping.start()
    wait_until(lambda: renewals(world) >= 5, "it was renewed five times")

    thief = base.Holder(Stage.PRE, "thief")
    claimed = world.broker.execute(base.Claim(worlds.KEYS.pre, thief, 60, "0-0"))

    assert claimed.entries == 0
    keeping.stop()
    assert world.broker.execute(base.Finish(entry, HOLDER, b"x", b"")) is base.Outcome.DONE


def test_streams_that_come_later_are_renewed_as_well(world: worlds.World) -> None:
    streams = [worlds.KEYS.pre]
    keeping = lease.LeaseKeeper(
        world.blocking_broker, lambda: base.Renew(tuple(streams), HOLDER, 60), "x"
    )
    keeping.start()
    streams.append(worlds.KEYS.post)

    def renewed() -> bool:
        ops = tuple(world.fault.seen)
        return any(isinstance(op, base.Renew) and worlds.KEYS.post in op.streams for op in ops)

    wait_until(renewed, "the new stream is renewed")
    keeping.stop()


def test_a_stopped_keeper_lets_the_lease_run_out(world: worlds.World) -> None:
    keeping = keeper(world)
    keeping.start()
    wait_until(lambda: has_lease(world), "there is a lease")

    keeping.stop()

    wait_until(lambda: not has_lease(world), "the lease has run out")


def test_a_broker_that_is_away_is_asked_again(world: worlds.World) -> None:
    away = threading.Event()
    away.set()
    asked: list[float] = []

    def failing(op: object) -> bool:
        asked.append(time.monotonic())
        return away.is_set()

    world.fault.before = failing
    keeping = keeper(world)
    keeping.start()
    wait_until(lambda: len(asked) >= 3, "it tried three times")
    assert not has_lease(world)

    away.clear()

    wait_until(lambda: has_lease(world), "there is a lease")
    keeping.stop()


def test_its_connection_is_its_own_and_closed_at_the_end(world: worlds.World) -> None:
    made: list[fakes.FlakyBlocking] = []

    def connect() -> base.BlockingBroker:
        made.append(world.blocking_broker())
        return made[-1]

    keeping = lease.LeaseKeeper(connect, lambda: base.Renew((), HOLDER, 60), "x")
    assert not made
    keeping.start()
    wait_until(lambda: made, "it connects in its thread")

    keeping.stop()

    assert made[0].closed
