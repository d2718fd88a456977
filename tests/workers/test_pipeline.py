"""All three stages together on a line that keeps breaking: each request has exactly one end."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from parallax.broker import base
from parallax.contract.topology import Stage
from parallax.workers import batch_run, consumer, inference, known, patience, post, pre, reclaimer
from tests.support import fakes
from tests.support.wait import wait_until_async
from tests.workers import world as worlds

REQUESTS = 60


@contextmanager
def stage_worker(
    world: worlds.World, stage: Stage, stream: str, handle: consumer.Handler, row: int
) -> Iterator[None]:
    """Run one CPU worker in a thread."""
    stop = threading.Event()
    source, board = consumer.Source(stream, 4), world.slab.board(row)
    worker = consumer.Consumer(
        world.blocking_broker(), source, worlds.seat(stage), handle, world.slab, board
    )
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def cpu_stages(world: worlds.World) -> Iterator[None]:
    """Run a pre and a post worker."""
    arena = world.slab.arena(worlds.TENSORS)
    seats = worlds.seat(Stage.PRE), worlds.seat(Stage.POST)
    prepare = pre.PreHandler(seats[0], worlds.KEYS, world.models, arena, world.slab, 10_000)
    versions = {(each.id, each.version): each for each in world.models.values()}
    respond = post.PostHandler(seats[1], versions, world.slab, world.broker, 10_000)
    with ExitStack() as stack:
        stack.enter_context(stage_worker(world, Stage.PRE, worlds.KEYS.pre, prepare, 0))
        stack.enter_context(stage_worker(world, Stage.POST, worlds.KEYS.post, respond, 2))
        yield


async def serve(world: worlds.World, session: fakes.FakeSession, answered: int) -> None:
    """Run all stages until so many requests are answered."""
    bench = batch_run.Bench(
        world.async_broker(),
        worlds.KEYS,
        worlds.seat(Stage.INFER),
        {known.version_of(session.model): session.as_session()},
        world.slab,
        world.slab.arena(worlds.OUTPUTS),
        world.slab.board(1),
    )
    stop = asyncio.Event()
    with cpu_stages(world):
        loop = inference.InferenceLoop(bench, inference.Pace(2, eager=False, longest=60.0))
        janitor = reclaimer.Janitor(world.async_broker(), world.slab, period=0.01)
        cleaning = asyncio.ensure_future(janitor.run())
        task = asyncio.ensure_future(loop.run(stop))
        await wait_until_async(
            lambda: len(world.answers()) >= answered, f"{answered} answers", timeout=20
        )
        stop.set()
        await task
    # A hand-off whose answer was lost leaves a slot behind, which is what the janitor is for.
    await wait_until_async(lambda: not world.slab.held(), "all slots are freed")
    cleaning.cancel()
    await asyncio.gather(cleaning, return_exceptions=True)


async def test_every_picture_goes_through_all_stages(world: worlds.World) -> None:
    for number in range(REQUESTS):
        world.submit(f"r{number}")

    await serve(world, fakes.FakeSession(worlds.MODEL), REQUESTS)

    assert set(world.codes().values()) == {""}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("boxes", [1, 4000])
async def test_a_line_that_keeps_breaking_costs_no_request_and_answers_none_twice(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch, seed: int, boxes: int
) -> None:
    monkeypatch.setattr(patience.Patience, "FIRST_PAUSE", 0.0005)
    monkeypatch.setattr(reclaimer, "MIN_ORPHAN_AGE", 0.0)
    monkeypatch.setattr(worlds, "MAX_LOSSES", 1000)
    chance = random.Random(seed)
    moves = (base.Read, base.HandOff, base.Finish, base.Release, base.Recompute)
    world.fault.before = lambda op: isinstance(op, moves) and chance.random() < 0.03
    world.fault.after = lambda op: isinstance(op, moves) and chance.random() < 0.03
    for number in range(REQUESTS):
        world.submit(f"r{number}", image=b"bad" if number % 10 == 0 else None)

    await serve(world, fakes.FakeSession(worlds.MODEL, boxes=boxes), REQUESTS)

    codes = world.codes()
    assert set(codes) == {f"r{number}" for number in range(REQUESTS)}
    assert all(
        code == ("bad_image" if int(name[1:]) % 10 == 0 else "") for name, code in codes.items()
    )
