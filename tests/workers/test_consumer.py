"""The loop of a CPU worker, on a broker in memory, with handlers made up by the tests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from parallax.broker import base, housekeeping
from parallax.contract import errors, messages, wire
from parallax.contract.topology import Stage
from parallax.workers import consumer, patience, triage
from tests.support.wait import wait_until
from tests.workers import world as worlds

SEAT = worlds.seat(Stage.PRE)


def answer(entry: base.Entry) -> triage.Move:
    """Finish an entry at once."""
    reply = messages.Reply(entry.address.request, 0, "", "", messages.Timings())
    return triage.Move(base.Finish(entry, SEAT.holder, wire.encode(reply), b"done"))


SOURCE = consumer.Source(worlds.KEYS.pre, prefetch=4)


def make(
    world: worlds.World, handle: consumer.Handler, source: consumer.Source = SOURCE
) -> consumer.Consumer:
    broker = world.blocking_broker()
    return consumer.Consumer(broker, source, SEAT, handle, world.slab, world.slab.board(0))


@contextmanager
def running(
    world: worlds.World,
    handle: consumer.Handler = answer,
    source: consumer.Source = SOURCE,
) -> Iterator[threading.Event]:
    """Run a consumer in a thread; it must end soon after its stop."""
    stop = threading.Event()
    thread = threading.Thread(target=make(world, handle, source).run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive(), "the consumer did not stop"


def run_until(world: worlds.World, answered: int, handle: consumer.Handler = answer) -> None:
    with running(world, handle):
        wait_until(lambda: len(world.answers()) >= answered, f"{answered} answers")


def guilty_of(*requests: str) -> Callable[[base.Entry], bool]:
    return lambda entry: entry.address.request in requests


def test_every_entry_is_answered_once(world: worlds.World) -> None:
    for number in range(20):
        world.submit(f"r{number}")

    run_until(world, 20)

    assert world.codes() == {f"r{number}": "" for number in range(20)}


def test_entries_are_handled_in_order(world: worlds.World) -> None:
    order: list[str] = []

    def handle(entry: base.Entry) -> triage.Move:
        order.append(entry.address.request)
        return answer(entry)

    for number in range(10):
        world.submit(f"r{number}")
    run_until(world, 10, handle)

    assert order == [f"r{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (errors.BadImageError("not a picture"), "bad_image"),
        (errors.OverloadedError("full"), "overloaded"),
        (RuntimeError("a bug with a secret in it"), "internal"),
        (KeyError("x"), "internal"),
    ],
)
def test_an_exception_costs_one_request(world: worlds.World, problem: Exception, code: str) -> None:
    guilty = guilty_of("r2")

    def handle(entry: base.Entry) -> triage.Move:
        if guilty(entry):
            raise problem
        return answer(entry)

    for number in range(5):
        world.submit(f"r{number}")
    run_until(world, 5, handle)

    assert world.codes() == {"r0": "", "r1": "", "r2": code, "r3": "", "r4": ""}
    assert "secret" not in world.answers()["r2"][0].message


def test_a_lost_tensor_sends_the_record_round_again(world: worlds.World) -> None:
    world.submit("r")
    seen: list[int] = []

    def handle(entry: base.Entry) -> triage.Move:
        seen.append(entry.losses)
        if len(seen) == 1:
            raise errors.TensorLostError("gone")
        return answer(entry)

    run_until(world, 1, handle)

    assert seen == [0, 1]
    assert world.codes() == {"r": ""}


def test_a_lost_tensor_whose_record_is_lost_too_is_answered_with_an_error(
    world: worlds.World,
) -> None:
    record = world.submit("r")

    def handle(entry: base.Entry) -> triage.Move:
        world.memory.store.remove(worlds.KEYS.pre, record)
        raise errors.TensorLostError("gone")

    run_until(world, 1, handle)

    assert world.codes() == {"r": "internal"}


@pytest.mark.parametrize("fields", [("x", "y"), ("v", b"\x01garbage"), ()])
def test_a_strangers_entry_is_buried_and_the_next_one_answered(
    world: worlds.World, fields: tuple[str | bytes, ...]
) -> None:
    world.memory.store.add(worlds.KEYS.pre, fields or ("q", "", "i", "x", "a", "", "v", "w"))
    world.submit("r")

    def handle(entry: base.Entry) -> triage.Move:
        accepted = triage.triage(entry, messages.PreWork, SEAT, 0.0)
        return accepted if isinstance(accepted, triage.Move) else answer(entry)

    run_until(world, 1, handle)

    assert world.codes() == {"r": ""}
    assert world.dead_letters() == 1


def test_entries_in_hand_are_finished_on_stop_and_no_more_are_taken(world: worlds.World) -> None:
    entered, proceed = threading.Event(), threading.Event()

    def handle(entry: base.Entry) -> triage.Move:
        entered.set()
        assert proceed.wait(10)
        return answer(entry)

    for number in range(6):
        world.submit(f"r{number}")
    with running(world, handle) as stop:
        assert entered.wait(5)
        stop.set()
        proceed.set()

    assert set(world.codes()) == {"r0", "r1", "r2", "r3"}
    assert world.stats(worlds.KEYS.pre) == housekeeping.StreamStats(2, 0)
    run_until(world, 6)


def test_a_consumer_told_to_stop_before_it_starts_takes_nothing(world: worlds.World) -> None:
    world.submit("r")
    stop = threading.Event()
    stop.set()

    make(world, answer).run(stop)

    assert world.stats(worlds.KEYS.pre).pending == 0
    run_until(world, 1)


def test_what_a_predecessor_held_is_given_back_and_only_the_guilty_is_blamed(
    world: worlds.World,
) -> None:
    losses: dict[str, int] = {}

    def handle(entry: base.Entry) -> triage.Move:
        losses[entry.address.request] = entry.losses
        return answer(entry)

    for name in ("innocent", "guilty"):
        world.submit(name)
    taken = {entry.address.request: entry for entry in world.take(Stage.PRE, 2)}
    world.slab.board(0).begin(taken["guilty"].id)

    run_until(world, 2, handle)

    assert losses == {"innocent": 0, "guilty": 1}
    assert world.codes() == {"innocent": "", "guilty": ""}


def test_a_request_that_keeps_killing_its_worker_is_set_aside(world: worlds.World) -> None:
    world.submit("killer")
    world.submit("victim")
    for _ in range(worlds.MAX_LOSSES):
        taken = {entry.address.request: entry for entry in world.take(Stage.PRE, 2)}
        world.slab.board(0).begin(taken["killer"].id)
        stop = threading.Event()
        stop.set()
        make(world, answer).run(stop)

    run_until(world, 2)

    assert world.codes() == {"killer": "poisoned", "victim": ""}
    assert world.dead_letters() == 1


def test_the_board_shows_the_entry_in_work_and_not_those_in_hand(world: worlds.World) -> None:
    seen: list[tuple[str, frozenset[str]]] = []

    def handle(entry: base.Entry) -> triage.Move:
        seen.append((entry.id, world.slab.board(0).read()))
        return answer(entry)

    for number in range(3):
        world.submit(f"r{number}")
    run_until(world, 3, handle)

    assert [board for _, board in seen] == [{entry} for entry, _ in seen]


def test_what_a_broken_read_took_is_given_back_without_blame(world: worlds.World) -> None:
    losses: list[int] = []

    def handle(entry: base.Entry) -> triage.Move:
        losses.append(entry.losses)
        return answer(entry)

    for number in range(3):
        world.submit(f"r{number}")
    world.fault.after = world.fault.once(base.Read)
    run_until(world, 3, handle)

    assert losses == [0, 0, 0]
    assert set(world.codes()) == {"r0", "r1", "r2"}


def test_an_answer_that_was_sent_although_the_line_broke_is_not_sent_twice(
    world: worlds.World,
) -> None:
    world.submit("r")
    world.fault.after = world.fault.once(base.Finish)

    run_until(world, 1)

    assert world.codes() == {"r": ""}
    assert len([op for op in world.fault.seen if isinstance(op, base.Finish)]) == 2


def test_an_answer_that_was_not_sent_is_sent_when_the_broker_is_back(world: worlds.World) -> None:
    world.submit("r")
    world.fault.before = world.fault.once(base.Finish)

    run_until(world, 1)

    assert world.codes() == {"r": ""}


def test_a_broker_that_stays_away_ends_the_worker(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience.Patience, "LIMIT", 0.0)
    world.fault.before = lambda op: True

    with pytest.raises(errors.BrokerUnavailableError):
        make(world, answer).run(threading.Event())


def test_the_slots_of_a_finished_entry_are_freed(world: worlds.World) -> None:
    slot = world.slab.arena(worlds.OUTPUTS).allocate("1-0")
    assert slot is not None
    world.slab.arena(worlds.OUTPUTS).publish(slot)
    world.submit("r")

    run_until(world, 1, lambda entry: triage.Move(answer(entry).op, inputs=(slot,)))

    assert world.slab.held() == []


def test_a_cancelled_request_gets_no_answer_and_leaves_nothing(world: worlds.World) -> None:
    record = world.submit("gone")
    made: list[messages.SlotRef] = []

    def handle(entry: base.Entry) -> triage.Move:
        if entry.address.request != "gone":
            return answer(entry)
        world.broker.execute(base.Cancel(record, "gone", 60_000))
        slot = world.slab.arena(worlds.TENSORS).allocate(entry.record)
        assert slot is not None
        made.append(slot)
        world.slab.arena(worlds.TENSORS).publish(slot)
        op = base.HandOff(entry, SEAT.holder, worlds.KEYS.infer("m"), b"w", b"")
        return triage.Move(op, outputs=(slot,))

    world.submit("next")
    run_until(world, 1, handle)

    assert made
    assert world.codes() == {"next": ""}


def test_a_worker_whose_entries_were_taken_from_it_answers_nothing(world: worlds.World) -> None:
    world.submit("r")

    def presumed_dead(entry: base.Entry) -> triage.Move:
        world.broker.execute(base.Release(entry.stream, SEAT.holder, frozenset(), 3, "late"))
        return answer(entry)

    handlers: list[consumer.Handler] = [answer, presumed_dead]

    def handle(entry: base.Entry) -> triage.Move:
        return (handlers.pop() if len(handlers) > 1 else answer)(entry)

    run_until(world, 1, handle)

    assert world.codes() == {"r": ""}


def test_finished_entries_move_on_before_one_that_would_wait_for_what_they_hold(
    world: worlds.World,
) -> None:
    moved: list[int] = []

    def handle(entry: base.Entry) -> triage.Move:
        moved.append(sum(isinstance(op, base.Finish) for op in world.fault.seen))
        return answer(entry)

    full = consumer.Source(worlds.KEYS.pre, 4, share_trips=60.0, has_room=lambda: False)
    for number in range(20):
        world.submit(f"r{number}")
    with running(world, handle, full):
        wait_until(lambda: len(world.answers()) == 20, "all are answered")

    assert moved == list(range(20))
