"""The inference loop with a fake session: whatever happens to a batch, each item has one end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from parallax.broker import base
from parallax.contract import errors, messages, spec, wire
from parallax.contract.topology import Stage
from parallax.policy import batching, watchdog
from parallax.workers import batch_run, inference, known, patience
from tests.support import fakes
from tests.support.wait import wait_until_async
from tests.workers import world as worlds

GPU = inference.Pace(runs=2, eager=False, longest=60.0)
CPU = inference.Pace(runs=2, eager=True, longest=60.0)
ONE = inference.Pace(runs=1, eager=False, longest=60.0)


@pytest.fixture
def session() -> Iterator[fakes.FakeSession]:
    made = fakes.FakeSession(worlds.MODEL)
    yield made
    made.proceed.set()


def bench(world: worlds.World, *sessions: fakes.FakeSession) -> batch_run.Bench:
    return batch_run.Bench(
        world.async_broker(),
        worlds.KEYS,
        worlds.seat(Stage.INFER),
        {known.version_of(each.model): each.as_session() for each in sessions},
        world.slab,
        world.slab.arena(worlds.OUTPUTS),
        world.slab.board(1),
    )


@asynccontextmanager
async def running(
    world: worlds.World, *sessions: fakes.FakeSession, pace: inference.Pace = GPU
) -> AsyncIterator[asyncio.Event]:
    """Run a loop; it must finish what it holds soon after its stop."""
    stop = asyncio.Event()
    loop = inference.InferenceLoop(bench(world, *sessions), pace)
    task = asyncio.ensure_future(loop.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        for each in sessions:
            each.proceed.set()
        async with asyncio.timeout(10):
            await task


def look(world: worlds.World) -> dict[str, float | str]:
    """Return what became of each item: the value its boxes show, or the code of its error."""
    world.finish_posts()
    return {
        request: code or value_of(*world.works[request]) for request, code in world.codes().items()
    }


def value_of(work: messages.PostWork, bulk: bytes) -> float:
    (ref,) = work.outputs
    return float(np.frombuffer(bulk, ref.dtype).reshape(ref.shape)[0, 0])


async def ends(world: worlds.World, count: int) -> dict[str, float | str]:
    await wait_until_async(lambda: len(look(world)) >= count, f"{count} items end")
    return look(world)


def submit(world: worlds.World, count: int) -> dict[str, float | str]:
    """Let tensors wait for the loop; return what shall become of them."""
    for number in range(count):
        world.submit_tensor(f"r{number}", value=number)
    return {f"r{number}": float(number) for number in range(count)}


def finish_pre(world: worlds.World, entry: base.Entry, losses: int) -> None:
    """Check that a record went round again, and end its request."""
    assert entry.losses == losses
    assert entry.bulk == worlds.png()
    reply = wire.encode(messages.Reply(entry.address.request, 0, "", "", messages.Timings()))
    world.broker.execute(base.Finish(entry, worlds.seat(Stage.PRE).holder, reply, b""))


async def record_again(world: worlds.World) -> base.Entry:
    """Wait until a record is queued again in the pre stream, and take it."""
    found: list[base.Entry] = []

    def look() -> bool:
        found.extend(world.take(Stage.PRE))
        return bool(found)

    await wait_until_async(look, "a record is in the pre stream again")
    return found[0]


@pytest.mark.parametrize("pace", [GPU, CPU, ONE])
async def test_each_item_gets_its_own_outputs(
    world: worlds.World, session: fakes.FakeSession, pace: inference.Pace
) -> None:
    expected = submit(world, 14)
    async with running(world, session, pace=pace):
        assert await ends(world, 14) == expected

    assert max(session.sizes) <= session.max_batch


async def test_what_waits_together_runs_together(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    submit(world, 8)
    async with running(world, session):
        await ends(world, 8)

    assert session.sizes == [8]


async def test_a_busy_device_lets_the_next_batch_grow(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    submit(world, 1)
    async with running(world, session):
        await wait_until_async(lambda: session.sizes, "the first run starts")
        for number in range(1, 7):
            world.submit_tensor(f"r{number}", value=number)
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 7, "all are in its hands"
        )
        session.proceed.set()
        await ends(world, 7)

    assert session.sizes == [1, 6]


async def test_an_eager_device_starts_a_second_run_at_once(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    submit(world, 1)
    async with running(world, session, pace=CPU):
        await wait_until_async(lambda: len(session.sizes) == 1, "the first run starts")
        world.submit_tensor("r1", value=1)
        await wait_until_async(lambda: len(session.sizes) == 2, "the second run starts")
        session.proceed.set()
        await ends(world, 2)


async def test_quick_items_that_run_one_by_one_leave_together(world: worlds.World) -> None:
    session = fakes.FakeSession(fakes.model(max_batch=1))
    session.in_turn = True
    async with running(world, session, pace=ONE):
        await ends(world, len(submit(world, 1)))
        session.proceed.clear()
        world.submit_tensor("held")
        await wait_until_async(lambda: len(session.ran) == 2, "the device is busy")
        expected = {f"s{number}": float(number) for number in range(3)}
        for name, value in expected.items():
            world.submit_tensor(name, value=int(value))
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 4, "all are in hand"
        )
        session.proceed.set()
        found = await ends(world, 5)

    assert expected.items() <= found.items()
    assert set(session.sizes) == {1}
    assert {world.works[name][0].timings.batch for name in expected} == {3}


async def test_no_more_runs_are_in_flight_than_the_pace_allows(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    submit(world, 15)
    async with running(world, session, pace=inference.Pace(runs=1, eager=True, longest=60.0)):
        await wait_until_async(lambda: session.sizes, "a run starts")
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 15, "hands are full"
        )
        assert len(session.sizes) == 1
        session.proceed.set()
        await ends(world, 15)


async def test_a_loop_holds_no_more_than_its_next_batches_can_take(
    world: worlds.World,
) -> None:
    session = fakes.FakeSession(fakes.model(max_batch=2))
    session.proceed.clear()
    submit(world, 12)
    async with running(world, session, pace=ONE):
        await wait_until_async(lambda: session.sizes, "a run starts")
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 4, "hands are full"
        )
        session.proceed.set()
        await ends(world, 12)


async def test_a_waiting_batch_behind_a_busy_device_costs_no_spinning(
    world: worlds.World, session: fakes.FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    decide = batching.Batcher.next

    def counted(
        batcher: batching.Batcher[batch_run.Work], now: float, **flags: bool
    ) -> batching.Batch[batch_run.Work] | None:
        looks.append(now)
        return decide(batcher, now, idle=flags.pop("idle"), **flags)

    monkeypatch.setattr(batching.Batcher, "next", counted)
    session.proceed.clear()
    submit(world, 1)
    async with running(world, session):
        await wait_until_async(lambda: session.sizes, "the first run starts")
        world.submit_tensor("r1", value=1)
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 2, "the second waits"
        )
        before = len(looks)
        await asyncio.sleep(0.1)  # nothing happens in this time, so nothing should be decided
        assert len(looks) - before < 30
        session.proceed.set()
        await ends(world, 2)


async def test_one_poisoned_item_of_eight_leaves_the_other_seven_answered(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.poison = frozenset({5})
    expected = submit(world, 8) | {"r5": "model_failed"}
    async with running(world, session):
        assert await ends(world, 8) == expected

    assert session.sizes[0] == 8


async def test_an_item_for_which_the_model_returns_no_numbers_fails_alone(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.nan = frozenset({2})
    expected = submit(world, 4) | {"r2": "model_failed"}
    async with running(world, session):
        assert await ends(world, 4) == expected


async def test_a_run_that_hangs_is_blamed_and_the_process_given_up(
    world: worlds.World, session: fakes.FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY", 0.001)
    killed = asyncio.Event()
    session.proceed.clear()
    submit(world, 1)
    pace = inference.Pace(runs=1, eager=False, longest=0.01)
    loop = inference.InferenceLoop(bench(world, session), pace, killed.set)
    stop = asyncio.Event()
    task = asyncio.ensure_future(loop.run(stop))

    async with asyncio.timeout(10):
        await killed.wait()

    board = world.slab.board(1)
    assert (board.hung, len(board.read())) == (True, 1)
    session.proceed.set()  # where the process would be gone, the test's goes on
    await ends(world, 1)
    board.clear()
    stop.set()
    await task


async def test_an_item_that_waits_for_an_api_process_that_is_gone_does_not_run(
    world: worlds.World, session: fakes.FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "STALE_AFTER", 0.0)
    session.proceed.clear()
    world.submit_tensor("first", value=1)
    async with running(world, session):
        await wait_until_async(lambda: session.ran, "the first runs")
        world.submit_tensor("orphan", value=2)
        world.broker.execute(base.CloseMailbox(worlds.API))
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).length == 1, "it is removed"
        )
        session.proceed.set()

    assert session.ran == [[1]]
    world.finish_posts()


async def test_a_run_that_would_end_its_thread_ends_for_its_items_only(
    world: worlds.World, session: fakes.FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise SystemExit

    submit(world, 1)
    async with running(world, session, pace=ONE):
        with monkeypatch.context() as patched:
            patched.setattr(session, "run", give_up)
            assert await ends(world, 1) == {"r0": "model_failed"}
        world.submit_tensor("r1", value=1)
        assert (await ends(world, 2))["r1"] == 1.0


async def test_running_out_of_memory_halves_the_batch_and_lowers_the_cap(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.fits = 4
    expected = submit(world, 8)
    async with running(world, session, pace=ONE):
        assert await ends(world, 8) == expected
        assert session.sizes == [8, 4, 4]
        for number in range(8, 16):
            world.submit_tensor(f"r{number}", value=number)
        await ends(world, 16)

    assert max(session.sizes[3:]) <= 4, "the lowered cap was forgotten"


async def test_expired_items_are_answered_so_without_being_run(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    world.submit_tensor("late", value=1, left=-0.5)
    world.submit_tensor("good", value=2)
    async with running(world, session):
        assert await ends(world, 2) == {"late": "deadline_exceeded", "good": 2.0}

    assert session.ran == [[2]]


async def test_an_item_that_expires_while_the_device_is_busy_is_not_run(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    world.submit_tensor("first", value=1)
    async with running(world, session):
        await wait_until_async(lambda: session.ran, "the first run starts")
        world.submit_tensor("late", value=2, left=0.02)
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 2, "it is in hand"
        )
        await asyncio.sleep(0.03)  # its deadline passes
        session.proceed.set()
        assert await ends(world, 2) == {"first": 1.0, "late": "deadline_exceeded"}

    assert session.ran == [[1]]


async def test_a_lost_tensor_sends_the_record_back_and_the_rest_are_answered(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    lost = world.submit_tensor("lost", value=1)
    world.submit_tensor("kept", value=2)
    world.slab.free(lost)
    async with running(world, session):
        assert await ends(world, 1) == {"kept": 2.0}
        finish_pre(world, await record_again(world), losses=1)

    assert session.ran == [[2]]


async def test_a_tensor_overwritten_during_the_run_is_computed_again(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    slot = world.submit_tensor("r", value=1)
    async with running(world, session):
        await wait_until_async(lambda: session.ran, "the run starts")
        world.slab.free(slot)
        session.proceed.set()
        finish_pre(world, await record_again(world), losses=1)

    world.finish_posts()
    assert world.works == {}


async def test_an_item_of_another_model_version_is_computed_again(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    world.submit_tensor("old", value=1, version="v0")
    async with running(world, session):
        finish_pre(world, await record_again(world), losses=1)
        await wait_until_async(lambda: not world.slab.held(), "its slot is freed")

    assert session.ran == []


async def test_versions_of_a_model_run_apart_and_the_old_one_is_dropped_in_the_end(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    newer = fakes.FakeSession(fakes.model(version="v2"))
    session.proceed.clear()
    world.submit_tensor("old", value=1)
    loop = inference.InferenceLoop(bench(world, session), GPU)
    async with following(loop):
        await wait_until_async(lambda: session.sizes, "the old version runs")
        both = {known.version_of(each.model): each.as_session() for each in (session, newer)}
        await loop.serve(both, both.keys())
        world.submit_tensor("new", value=2, version="v2")
        await loop.serve({("m", "v2"): newer.as_session()}, [("m", "v2")])
        assert set(loop.loaded) == {("m", "v1"), ("m", "v2")}, "its run is still under way"
        session.proceed.set()

        assert await ends(world, 2) == {"old": 1.0, "new": 2.0}
        await wait_until_async(lambda: set(loop.loaded) == {("m", "v2")}, "the old one is dropped")

    assert (session.ran, newer.ran) == ([[1]], [[2]])


async def test_a_loop_without_models_waits_for_the_first(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    loop = inference.InferenceLoop(bench(world), GPU)
    async with following(loop):
        assert loop.streams == ()
        world.submit_tensor("r", value=3)
        await loop.serve({("m", "v1"): session.as_session()}, [("m", "v1")])

        assert await ends(world, 1) == {"r": 3.0}


async def test_no_read_of_a_stream_is_under_way_once_its_model_is_gone(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    loop = inference.InferenceLoop(bench(world, session), GPU)
    async with following(loop):
        await wait_until_async(lambda: loop.reading, "it reads")
        await loop.serve({}, [])

        assert (loop.streams, dict(loop.loaded), loop.reading) == ((), {}, ())


@asynccontextmanager
async def following(loop: inference.InferenceLoop) -> AsyncIterator[None]:
    """Run a loop whose models change."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(loop.run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await task


async def test_a_cancelled_item_does_not_run_when_it_had_to_wait(
    world: worlds.World, session: fakes.FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "STALE_AFTER", 0.0)
    session.proceed.clear()
    world.submit_tensor("first", value=1)
    async with running(world, session):
        await wait_until_async(lambda: session.ran, "the first runs")
        world.submit_tensor("gone", value=2)
        world.submit_tensor("here", value=3)
        world.broker.execute(base.Cancel("0-1", "gone", 60_000))
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).length == 2, "it is removed"
        )
        session.proceed.set()
        assert await ends(world, 2) == {"first": 1.0, "here": 3.0}

    assert session.ran == [[1], [3]]
    assert set(world.answers()) == {"first", "here"}


async def test_an_item_cancelled_during_its_run_goes_no_further(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    world.submit_tensor("gone", value=1)
    async with running(world, session):
        await wait_until_async(lambda: session.ran, "the run starts")
        world.broker.execute(base.Cancel("0-1", "gone", 60_000))
        session.proceed.set()
        await wait_until_async(lambda: not world.stats(worlds.KEYS.pre).length, "it is removed")

    assert look(world) == {}


async def test_stop_finishes_what_is_in_hand(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    expected = submit(world, 10)
    async with running(world, session, pace=ONE) as stop:
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 10, "all are in hand"
        )
        stop.set()
    assert await ends(world, 10) == expected


async def test_a_held_back_batch_leaves_at_once_on_stop(world: worlds.World) -> None:
    session = fakes.FakeSession(fakes.model(batch=spec.BatchSpec(8, max_delay_ms=600_000.0)))
    submit(world, 2)
    async with running(world, session) as stop:
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 2, "both are in hand"
        )
        assert session.ran == []
        stop.set()
    assert await ends(world, 2) == {"r0": 0.0, "r1": 1.0}


async def test_a_held_back_batch_leaves_when_it_is_due(world: worlds.World) -> None:
    session = fakes.FakeSession(fakes.model(batch=spec.BatchSpec(8, max_delay_ms=20.0)))
    submit(world, 2)
    async with running(world, session):
        assert await ends(world, 2) == {"r0": 0.0, "r1": 1.0}

    assert session.sizes == [2]


async def test_what_a_broken_read_took_is_given_back_without_blame(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    expected = submit(world, 5)
    world.fault.after = world.fault.once(base.Read)
    async with running(world, session):
        assert await ends(world, 5) == expected

    assert session.sizes == [5], "a blamed item would have run alone"
    assert any(isinstance(op, base.Release) for op in world.fault.seen)


async def test_what_is_in_hand_when_a_read_breaks_is_still_done_once(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    expected = submit(world, 3)
    async with running(world, session):
        await wait_until_async(lambda: session.ran, "the run starts")
        world.fault.after = world.fault.once(base.Read)
        expected["r3"] = 3.0
        world.submit_tensor("r3", value=3)
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 4, "the broken read took it"
        )
        session.proceed.set()
        assert await ends(world, 4) == expected

    assert sorted(value for batch in session.ran for value in batch) == [0, 1, 2, 3]


async def test_a_hand_off_that_fails_is_made_when_the_broker_is_back(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    expected = submit(world, 3)
    world.fault.before = world.fault.once(base.HandOff)
    async with running(world, session):
        assert await ends(world, 3) == expected


async def test_a_broker_that_stays_away_ends_the_loop(
    world: worlds.World, session: fakes.FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience.Patience, "LIMIT", 0.0)
    loop = inference.InferenceLoop(bench(world, session), GPU)
    task = asyncio.ensure_future(loop.run(asyncio.Event()))
    await wait_until_async(
        lambda: any(isinstance(op, base.Read) for op in world.fault.seen), "it reads"
    )

    world.fault.before = lambda op: True

    with pytest.raises(ExceptionGroup) as ended:
        await task
    assert ended.group_contains(errors.BrokerUnavailableError)


async def test_what_a_predecessor_held_is_given_back_and_only_the_guilty_runs_alone(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    expected = submit(world, 3)
    taken = world.take(Stage.INFER, 3)
    world.slab.board(1).begin(taken[1].id)
    async with running(world, session):
        assert await ends(world, 3) == expected

    assert sorted(session.sizes) == [1, 1, 1] or sorted(session.sizes) == [1, 2]
    assert [1] in session.ran


@pytest.mark.parametrize("pace", [GPU, CPU])
async def test_nothing_runs_beside_a_suspect(
    world: worlds.World, session: fakes.FakeSession, pace: inference.Pace
) -> None:
    session.proceed.clear()
    world.submit_tensor("suspect", value=1)
    world.lose(Stage.INFER)
    async with running(world, session, pace=pace):
        await wait_until_async(lambda: session.ran, "the suspect runs")
        submit(world, 8)
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 9, "the others are in hand"
        )
        assert session.ran == [[1]]
        session.proceed.set()
        await ends(world, 9)


async def test_a_suspect_starts_when_what_ran_before_it_has_ended(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    world.submit_tensor("first", value=1)
    async with running(world, session, pace=CPU):
        await wait_until_async(lambda: session.ran, "the first runs")
        world.submit_tensor("suspect", value=2)
        world.lose(Stage.INFER)
        await wait_until_async(
            lambda: world.stats(worlds.KEYS.infer("m")).pending == 2, "the suspect is in hand"
        )
        assert session.ran == [[1]]
        session.proceed.set()
        assert await ends(world, 2) == {"first": 1.0, "suspect": 2.0}

    assert session.ran == [[1], [2]]


async def test_the_board_shows_the_batch_while_it_runs(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    session.proceed.clear()
    submit(world, 3)
    async with running(world, session):
        await wait_until_async(lambda: session.ran, "the run starts")
        assert len(world.slab.board(1).read()) == 3
        session.proceed.set()
        await ends(world, 3)
        assert world.slab.board(1).read() == frozenset()


async def test_a_poisonous_entry_is_set_aside_unrun(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    world.submit_tensor("r", value=1)
    world.lose(Stage.INFER, worlds.MAX_LOSSES)
    async with running(world, session):
        assert await ends(world, 1) == {"r": "poisoned"}

    assert session.ran == []
    assert world.dead_letters() == 1


async def test_a_strangers_entry_is_buried_and_the_next_one_run(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    world.memory.store.add(worlds.KEYS.infer("m"), ("some", "thing"))
    world.submit_tensor("r", value=1)
    async with running(world, session):
        assert await ends(world, 1) == {"r": 1.0}
        await wait_until_async(lambda: world.dead_letters() == 1, "it is buried")


@pytest.mark.parametrize(
    "tensor",
    [
        messages.ArrayRef((4, 4, 3), "|u1", messages.SlotRef(7, 7, 7)),
        messages.ArrayRef((4, 4, 3), "|u1", messages.SlotRef(0, 99, 0)),
        messages.ArrayRef((4, 4, 3), "|u1", None),
    ],
)
async def test_a_reference_to_nowhere_costs_one_request(
    world: worlds.World, session: fakes.FakeSession, tensor: messages.ArrayRef
) -> None:
    world.submit("odd")
    (entry,) = world.take(Stage.PRE)
    work = messages.InferWork(
        worlds.route("odd"),
        "m",
        "v1",
        messages.DetectionParams(),
        messages.Geometry(1, 1, 1.0, 1.0, 0.0, 0.0),
        tensor,
        messages.Timings(),
    )
    world.hand_off(entry, Stage.PRE, worlds.KEYS.infer("m"), wire.encode(work))
    world.submit_tensor("good", value=1)
    async with running(world, session):
        assert await ends(world, 2) == {"odd": "malformed_entry", "good": 1.0}


async def test_two_models_share_one_loop(tmp_path: Path) -> None:
    first, second = fakes.model("a"), fakes.model("b", side=8)
    world = worlds.World(tmp_path, first, second)
    sessions = fakes.FakeSession(first), fakes.FakeSession(second)
    for number in range(4):
        world.submit_tensor(f"a{number}", value=number, model="a")
        world.submit_tensor(f"b{number}", value=10 + number, model="b")
    async with running(world, *sessions):
        found = await ends(world, 8)

    assert sessions[0].ran == [[0, 1, 2, 3]]
    assert sessions[1].ran == [[10, 11, 12, 13]]
    assert found["a2"] == 2.0
    assert found["b2"] == 12.0
    world.check_clean()


async def test_large_outputs_travel_through_the_slab(world: worlds.World) -> None:
    session = fakes.FakeSession(fakes.model(output_bytes=4000 * 6 * 4), boxes=4000)
    world.submit_tensor("r", value=9)
    entries: list[base.Entry] = []

    def arrived() -> bool:
        entries.extend(world.take(Stage.POST))
        return bool(entries)

    async with running(world, session):
        await wait_until_async(arrived, "the outputs arrive")

    (ref,) = wire.decode(messages.PostWork, entries[0].work).outputs
    assert entries[0].bulk == b""
    assert ref.slot is not None
    assert (world.slab.array(ref)[:, 0] == 9).all()
    world.slab.free(ref.slot)
    world.broker.execute(base.Finish(entries[0], worlds.seat(Stage.POST).holder, b"x", b""))


async def test_large_outputs_without_room_travel_in_the_entry(world: worlds.World) -> None:
    session = fakes.FakeSession(fakes.model(output_bytes=4000 * 6 * 4), boxes=4000)
    taken = [world.slab.arena(worlds.OUTPUTS).allocate("1-0") for _ in range(2)]
    world.submit_tensor("r", value=9)
    async with running(world, session):
        assert await ends(world, 1) == {"r": 9.0}

    for slot in taken:
        assert slot is not None
        world.slab.free(slot)


async def test_timings_and_batch_size_travel_on(
    world: worlds.World, session: fakes.FakeSession
) -> None:
    submit(world, 2)
    async with running(world, session):
        await ends(world, 2)

    work, _ = world.works["r0"]
    assert work.timings.pre_ms == 1.5
    assert work.timings.infer_ms > 0.0
    assert work.timings.batch == 2
    assert 0 < work.route.budget_ms <= worlds.LATER * 1000
