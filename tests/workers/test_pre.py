"""The pre stage as a handler: picture in, slab slot and infer entry out."""

import dataclasses
import threading
import time

import numpy as np
import pytest

from parallax.broker import base
from parallax.contract import errors, messages, spec, wire
from parallax.contract.decoding import Decoding
from parallax.contract.topology import Stage
from parallax.stages import pre as stage
from parallax.workers import pre, triage
from tests.support import pictures
from tests.support.wait import wait_until
from tests.workers import world as worlds


def handler(world: worlds.World, models: dict[str, spec.ModelSpec] | None = None) -> pre.PreHandler:
    return pre.PreHandler(
        worlds.seat(Stage.PRE),
        worlds.KEYS,
        world.models if models is None else models,
        world.slab.arena(worlds.TENSORS),
        world.slab,
        max_pixels=10_000,
    )


def taken(world: worlds.World) -> base.Entry:
    (entry,) = world.take(Stage.PRE)
    return entry


def settle(world: worlds.World, move: triage.Move) -> None:
    outcome = world.broker.execute(move.op)
    for slot in move.to_free(outcome):
        world.slab.free(slot)


def fail(world: worlds.World, entry: base.Entry, problem: errors.ParallaxError) -> None:
    settle(world, triage.fail(entry, worlds.seat(Stage.PRE), problem))


def test_a_picture_becomes_a_tensor_in_a_slot(world: worlds.World) -> None:
    world.submit("r", image=worlds.png(16, 8, value=200))
    move = handler(world)(taken(world))

    assert isinstance(move.op, base.HandOff)
    assert move.op.target == worlds.KEYS.infer("m")
    assert move.op.bulk == b"", "pixels travel through the slab"
    work = wire.decode(messages.InferWork, move.op.work)
    assert (work.model, work.version) == ("m", "v1")
    assert (work.geometry.width, work.geometry.height) == (16, 8)
    tensor = world.slab.array(work.tensor)
    assert tensor.shape == (4, 4, 3)
    assert np.unique(tensor).tolist() == [114, 200]
    assert move.outputs == (work.tensor.slot,)
    assert 0 < work.timings.pre_ms < 10_000
    assert 0 < work.route.budget_ms <= worlds.LATER * 1000

    settle(world, move)
    (infer,) = world.take(Stage.INFER)
    world.broker.execute(base.Finish(infer, worlds.seat(Stage.INFER).holder, b"x", b""))
    world.slab.free(move.outputs[0])


@pytest.mark.parametrize("decoding", Decoding)
def test_pictures_are_decoded_as_the_worker_was_told(
    world: worlds.World, decoding: Decoding
) -> None:
    image = pictures.encoded(pictures.noise(40, 40), "PNG")
    world.submit("r", image=image)
    move = dataclasses.replace(handler(world), decoding=decoding)(taken(world))

    assert isinstance(move.op, base.HandOff)
    target = world.models["m"].input
    expected = np.empty((target.height, target.width, 3), np.uint8)
    stage.prepare(image, messages.ImageOptions(), target, 10_000, expected, decoding)
    work = wire.decode(messages.InferWork, move.op.work)
    assert (world.slab.array(work.tensor) == expected).all()
    world.slab.free(move.outputs[0])
    fail(world, _entry_of(move), errors.InternalError("done"))


def test_the_slot_names_the_request_it_belongs_to(world: worlds.World) -> None:
    record = world.submit("r")
    move = handler(world)(taken(world))

    assert [each.record for each in world.slab.held()] == [record]
    world.slab.free(move.outputs[0])
    fail(world, _entry_of(move), errors.InternalError("done"))


@pytest.mark.parametrize("image", [b"", b"not a picture", worlds.png(200, 200)])
def test_a_bad_picture_raises_and_takes_no_slot(world: worlds.World, image: bytes) -> None:
    world.submit("r", image=image)
    entry = taken(world)

    with pytest.raises(errors.BadImageError) as caught:
        handler(world)(entry)

    assert world.slab.held() == []
    fail(world, entry, caught.value)
    assert world.codes() == {"r": "bad_image"}


def test_a_model_that_is_gone_is_told(world: worlds.World) -> None:
    world.submit("r")
    entry = taken(world)

    with pytest.raises(errors.UnknownModelError) as caught:
        handler(world, {})(entry)

    fail(world, entry, caught.value)
    assert world.codes() == {"r": "unknown_model"}


def test_an_expired_picture_is_not_decoded(world: worlds.World) -> None:
    world.submit("r", image=b"would raise if it were decoded", left=-1.0)

    settle(world, handler(world)(taken(world)))

    assert world.codes() == {"r": "deadline_exceeded"}


def test_a_full_arena_makes_the_producer_wait_until_a_slot_is_freed(world: worlds.World) -> None:
    arena = world.slab.arena(worlds.TENSORS)
    slots = [arena.allocate("1-0") for _ in range(worlds.SLOTS)]
    world.submit("r")
    entry, moves = taken(world), list[triage.Move]()
    thread = threading.Thread(target=lambda: moves.append(handler(world)(entry)))
    thread.start()
    assert not moves

    for slot in slots:
        assert slot is not None
        world.slab.free(slot)

    wait_until(lambda: moves, "the picture gets a slot")
    thread.join()
    world.slab.free(moves[0].outputs[0])
    fail(world, entry, errors.InternalError("done"))


def test_a_full_arena_is_overload_in_the_end(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pre, "SLOT_PATIENCE", 0.01)
    arena = world.slab.arena(worlds.TENSORS)
    slots = [arena.allocate("1-0") for _ in range(worlds.SLOTS)]
    world.submit("r")
    entry = taken(world)

    with pytest.raises(errors.OverloadedError, match="shared memory") as caught:
        handler(world)(entry)

    fail(world, entry, caught.value)
    assert world.codes() == {"r": "overloaded"}
    for slot in slots:
        assert slot is not None
        world.slab.free(slot)


def test_nobody_waits_for_a_slot_beyond_the_deadline(world: worlds.World) -> None:
    arena = world.slab.arena(worlds.TENSORS)
    slots = [arena.allocate("1-0") for _ in range(worlds.SLOTS)]
    world.submit("r", left=0.05)
    entry, before = taken(world), time.monotonic()

    with pytest.raises(errors.OverloadedError) as caught:
        handler(world)(entry)

    assert time.monotonic() - before < pre.SLOT_PATIENCE / 2

    fail(world, entry, caught.value)
    for slot in slots:
        assert slot is not None
        world.slab.free(slot)


def _entry_of(move: triage.Move) -> base.Entry:
    assert isinstance(move.op, base.HandOff)
    return move.op.entry
