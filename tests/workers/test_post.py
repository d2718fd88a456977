"""The post stage as a handler: network outputs in, the answer out."""

import base64
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from parallax.broker import base
from parallax.contract import errors, messages, spec, wire
from parallax.contract.topology import Stage
from parallax.stages.post import respond as stage
from parallax.workers import post, triage
from tests.support import fakes
from tests.workers import world as worlds

BOX = [2.0, 2.0, 2.0, 2.0, 0.9, 1.0]


def handler(world: worlds.World, *models: spec.ModelSpec) -> post.PostHandler:
    served = {(each.id, each.version): each for each in models or world.models.values()}
    return post.PostHandler(
        worlds.seat(Stage.POST), served, world.slab, world.blocking_broker(), 10_000
    )


def rows(*boxes: list[float]) -> NDArray[np.float32]:
    return np.array(boxes, np.float32).reshape(-1, 6)


def in_slab(world: worlds.World, array: NDArray[np.float32]) -> messages.ArrayRef:
    arena = world.slab.arena(worlds.OUTPUTS)
    slot = arena.allocate("1-0")
    assert slot is not None
    arena.buffer(slot, array.nbytes)[:] = array.reshape(-1).view(np.uint8)
    arena.publish(slot)
    return messages.ArrayRef(array.shape, array.dtype.str, slot)


def delivered(
    world: worlds.World,
    refs: list[messages.ArrayRef],
    bulk: bytes,
    *,
    left: float = worlds.LATER,
    params: messages.Params | None = None,
) -> base.Entry:
    """Let outputs arrive at the post stage; return their entry."""
    world.submit("r")
    (record,) = world.take(Stage.PRE)
    work = messages.PostWork(
        worlds.route("r", left=left),
        "m",
        "v1",
        params or messages.DetectionParams(),
        messages.Geometry(4, 4, 1.0, 1.0, 0.0, 0.0),
        tuple(refs),
        messages.Timings(pre_ms=1.0, infer_ms=2.0, batch=3),
    )
    world.hand_off(record, Stage.PRE, worlds.KEYS.post, wire.encode(work), bulk)
    (entry,) = world.take(Stage.POST)
    return entry


def inline(world: worlds.World, array: NDArray[np.float32]) -> base.Entry:
    return delivered(world, [messages.ArrayRef(array.shape, "<f4")], array.tobytes())


def settle(world: worlds.World, move: triage.Move) -> None:
    outcome = world.broker.execute(move.op)
    for slot in move.to_free(outcome):
        world.slab.free(slot)


def predictions(world: worlds.World) -> list[str]:
    answer = msgspec.json.decode(world.answers()["r"][0].bulk)
    return [each["class"] for each in answer["predictions"]]


@pytest.mark.parametrize(("boxes", "classes"), [([BOX], ["dog"]), ([], [])])
def test_inline_outputs_become_the_answer(
    world: worlds.World, boxes: list[list[float]], classes: list[str]
) -> None:
    settle(world, handler(world)(inline(world, rows(*boxes))))

    assert world.codes() == {"r": ""}
    assert predictions(world) == classes


def test_outputs_in_the_slab_become_the_answer_and_their_slot_is_freed(
    world: worlds.World,
) -> None:
    entry = delivered(world, [in_slab(world, rows(BOX))], b"")

    settle(world, handler(world)(entry))

    assert predictions(world) == ["dog"]
    assert world.slab.held() == []


def test_timings_of_all_stages_are_in_the_reply(world: worlds.World) -> None:
    move = handler(world)(inline(world, rows(BOX)))

    assert isinstance(move.op, base.Finish)
    timings = wire.decode(messages.Reply, move.op.reply).timings
    assert (timings.pre_ms, timings.infer_ms, timings.batch) == (1.0, 2.0, 3)
    assert 0.0 < timings.post_ms < 10_000
    settle(world, move)


def test_lost_outputs_are_computed_again(world: worlds.World) -> None:
    ref = in_slab(world, rows(BOX))
    entry = delivered(world, [ref], b"")
    assert ref.slot is not None
    world.slab.free(ref.slot)

    settle(world, handler(world)(entry))

    assert world.answers() == {}
    (again,) = world.take(Stage.PRE)
    assert again.losses == 1
    settle(world, triage.fail(again, worlds.seat(Stage.PRE), errors.InternalError("done")))


def test_outputs_overwritten_while_they_are_read_are_computed_again(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = in_slab(world, rows(BOX))
    entry = delivered(world, [ref], b"")
    respond = stage.respond

    def overtaken(*args: Any) -> bytes:
        assert ref.slot is not None
        world.slab.free(ref.slot)
        return respond(*args)

    monkeypatch.setattr(stage, "respond", overtaken)
    settle(world, handler(world)(entry))

    assert world.answers() == {}
    (again,) = world.take(Stage.PRE)
    settle(world, triage.fail(again, worlds.seat(Stage.PRE), errors.InternalError("done")))


@pytest.mark.parametrize("models", [fakes.model(version="v2"), fakes.model("other")])
def test_outputs_of_a_replaced_model_are_computed_again(
    world: worlds.World, models: spec.ModelSpec
) -> None:
    entry = delivered(world, [in_slab(world, rows(BOX))], b"")

    settle(world, handler(world, models)(entry))

    assert world.slab.held() == []
    (again,) = world.take(Stage.PRE)
    settle(world, triage.fail(again, worlds.seat(Stage.PRE), errors.InternalError("done")))


@pytest.mark.parametrize("bulk", [b"", b"\0" * 23])
def test_too_few_bytes_are_answered_with_an_error(world: worlds.World, bulk: bytes) -> None:
    entry = delivered(world, [messages.ArrayRef((1, 6), "<f4")], bulk)

    settle(world, handler(world)(entry))

    assert world.codes() == {"r": "malformed_entry"}


def test_outputs_of_the_wrong_shape_are_a_failure_of_the_model(world: worlds.World) -> None:
    entry = delivered(world, [in_slab(world, np.zeros((2, 5), np.float32))], b"")

    settle(world, handler(world)(entry))

    assert world.codes() == {"r": "model_failed"}
    assert world.slab.held() == []


def test_an_expired_answer_is_not_built_and_its_slot_is_freed(world: worlds.World) -> None:
    entry = delivered(world, [in_slab(world, rows(BOX))], b"", left=-1.0)

    settle(world, handler(world)(entry))

    assert world.codes() == {"r": "deadline_exceeded"}


def test_a_reference_outside_the_slab_is_answered_with_an_error(world: worlds.World) -> None:
    outside = messages.ArrayRef((1, 6), "<f4", messages.SlotRef(9, 9, 9))

    settle(world, handler(world)(delivered(world, [outside], b"")))

    assert world.codes() == {"r": "malformed_entry"}


# --- drawing -------------------------------------------------------------------------------------


def to_draw(world: worlds.World, drawing: messages.Drawing) -> base.Entry:
    params = messages.DetectionParams(drawing=drawing)
    refs, bulk = [messages.ArrayRef((1, 6), "<f4")], rows(BOX).tobytes()
    return delivered(world, refs, bulk, params=params)


def test_the_picture_of_the_record_is_drawn_on(world: worlds.World) -> None:
    settle(world, handler(world)(to_draw(world, messages.Drawing())))

    answer = msgspec.json.decode(world.answers()["r"][0].bulk)
    assert base64.b64decode(answer["visualization"])[:3] == b"\xff\xd8\xff"
    assert len(answer["predictions"]) == 1


def test_the_answer_can_be_the_drawn_picture_alone(world: worlds.World) -> None:
    settle(world, handler(world)(to_draw(world, messages.Drawing(alone=True))))

    assert world.answers()["r"][0].bulk[:3] == b"\xff\xd8\xff"


def test_without_a_drawing_the_record_is_not_read(world: worlds.World) -> None:
    settle(world, handler(world)(inline(world, rows(BOX))))

    assert not any(isinstance(op, base.Fetch) for op in world.fault.seen)


def test_a_line_that_breaks_while_the_record_is_read_is_tried_again(world: worlds.World) -> None:
    entry = to_draw(world, messages.Drawing())
    post_handler = handler(world)
    world.fault.before = world.fault.once(base.Fetch)

    settle(world, post_handler(entry))

    assert world.codes() == {"r": ""}


def test_a_record_that_is_gone_ends_the_request_with_an_error(world: worlds.World) -> None:
    entry = to_draw(world, messages.Drawing())
    world.memory.store.remove(worlds.KEYS.pre, entry.record)

    move = handler(world)(entry)

    assert isinstance(move.op, base.Recompute)
    assert world.broker.execute(move.op) is base.Outcome.RECORD_LOST
    lost = errors.InternalError("the request's data was lost")
    settle(world, triage.fail(entry, worlds.seat(Stage.POST), lost))
    assert world.codes() == {"r": "internal"}


@pytest.mark.parametrize("turned", [True, False])
def test_the_picture_is_turned_only_if_it_was_for_the_network(
    world: worlds.World, turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = to_draw(world, messages.Drawing())
    seen: list[stage.Original | None] = []
    respond = stage.respond

    def watched(*args: Any) -> bytes:
        seen.append(args[4])
        return respond(*args)

    monkeypatch.setattr(stage, "respond", watched)
    model = fakes.model(input=spec.InputSpec(4, 4, auto_orient=turned))
    settle(world, handler(world, model)(entry))

    (original,) = seen
    assert original is not None
    assert original.auto_orient is turned
