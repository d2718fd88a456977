"""From an entry to its work or to its end, by table."""

import pytest

from parallax.broker import base
from parallax.contract import errors, messages, wire
from parallax.contract.topology import Stage
from parallax.workers import triage
from tests.workers import world as worlds

SEAT = worlds.seat(Stage.INFER)
SLOT = messages.SlotRef(0, 3, 7)
OTHER = messages.SlotRef(1, 0, 2)
NOW = 1000.0


def infer_work(deadline: float = NOW + 5, origin: str = "n1") -> messages.InferWork:
    return messages.InferWork(
        messages.Route("r", 2, "api", origin, deadline, 3000),
        "m",
        "v1",
        messages.DetectionParams(),
        messages.Geometry(1, 1, 1.0, 1.0, 0.0, 0.0),
        messages.ArrayRef((1,), "|u1", SLOT),
        messages.Timings(),
    )


def entry(work: bytes, losses: int = 0) -> base.Entry:
    return base.Entry("s", "5-0", "4-0", base.Address("r", 2, "api"), losses, work, b"")


def judged(
    work: messages.Work | bytes, losses: int = 0
) -> triage.Accepted[messages.InferWork] | triage.Move:
    data = work if isinstance(work, bytes) else wire.encode(work)
    return triage.triage(entry(data, losses), messages.InferWork, SEAT, NOW)


def code_of(reply: bytes) -> str:
    return wire.decode(messages.Reply, reply).code


def test_a_good_entry_is_accepted_with_its_deadline() -> None:
    accepted = judged(infer_work())

    assert isinstance(accepted, triage.Accepted)
    assert accepted.work == infer_work()
    assert accepted.until == pytest.approx(NOW + 5)


def test_an_entry_of_another_node_has_what_is_left_of_its_budget() -> None:
    accepted = judged(infer_work(deadline=3.0, origin="elsewhere"))

    assert isinstance(accepted, triage.Accepted)
    assert accepted.until == pytest.approx(NOW + 3)


def test_an_expired_entry_is_answered_so_and_its_slot_freed() -> None:
    move = judged(infer_work(deadline=NOW))

    assert isinstance(move, triage.Move)
    assert isinstance(move.op, base.Finish)
    assert code_of(move.op.reply) == "deadline_exceeded"
    assert move.inputs == (SLOT,)


@pytest.mark.parametrize("losses", [worlds.MAX_LOSSES, worlds.MAX_LOSSES + 1])
def test_an_entry_that_lost_too_many_owners_is_buried(losses: int) -> None:
    move = judged(infer_work(), losses)

    assert isinstance(move, triage.Move)
    assert isinstance(move.op, base.Bury)
    assert code_of(move.op.reply) == "poisoned"
    assert f"{losses} workers" in move.op.cause
    assert move.inputs == (SLOT,)


def test_one_loss_less_is_still_worked_on() -> None:
    assert isinstance(judged(infer_work(), worlds.MAX_LOSSES - 1), triage.Accepted)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x01\xc1", b"\x63" + wire.encode(infer_work())])
def test_an_entry_that_is_not_one_of_ours_is_buried(data: bytes) -> None:
    move = judged(data)

    assert isinstance(move, triage.Move)
    assert isinstance(move.op, base.Bury)
    assert code_of(move.op.reply) == "malformed_entry"
    assert move.op.cause.startswith("malformed_entry: ")


def test_an_entry_of_another_stage_is_not_ours() -> None:
    pre = messages.PreWork(
        infer_work().route, "m", messages.DetectionParams(), messages.ImageOptions()
    )

    assert isinstance(judged(pre), triage.Move)


def test_slots_of_each_kind_of_work() -> None:
    infer = infer_work()
    refs = (
        messages.ArrayRef((1,), "<f4", OTHER),
        messages.ArrayRef((1,), "<f4"),
        messages.ArrayRef((1,), "<f4", SLOT),
    )
    post = messages.PostWork(
        infer.route, "m", "v1", infer.params, infer.geometry, refs, messages.Timings()
    )
    pre = messages.PreWork(infer.route, "m", infer.params, messages.ImageOptions())

    assert triage.slots_of(infer) == (SLOT,)
    assert triage.slots_of(post) == (OTHER, SLOT)
    assert triage.slots_of(pre) == ()


@pytest.mark.parametrize(
    ("outcome", "freed"),
    [
        (base.Outcome.DONE, (SLOT,)),
        (base.Outcome.CANCELLED, (SLOT, OTHER)),
        (base.Outcome.NOT_OWNER, (OTHER,)),
        (base.Outcome.RECORD_LOST, (OTHER,)),
    ],
)
def test_which_slots_nobody_needs_after_a_move(
    outcome: base.Outcome, freed: tuple[messages.SlotRef, ...]
) -> None:
    move = triage.Move(base.Recompute(entry(b""), SEAT.holder), inputs=(SLOT,), outputs=(OTHER,))

    assert move.to_free(outcome) == freed


def test_a_failure_is_answered_with_its_code_and_frees_its_slots() -> None:
    move = triage.fail(entry(b""), SEAT, errors.BadImageError("no picture"), (SLOT,))

    assert isinstance(move.op, base.Finish)
    reply = wire.decode(messages.Reply, move.op.reply)
    assert (reply.request, reply.item, reply.code) == ("r", 2, "bad_image")
    assert reply.message == "no picture"
    assert move.inputs == (SLOT,)


def test_a_lost_tensor_is_computed_again_and_not_answered() -> None:
    move = triage.fail(entry(b""), SEAT, errors.TensorLostError("gone"), (SLOT, OTHER))

    assert isinstance(move.op, base.Recompute)
    assert move.inputs == (SLOT, OTHER), "what was not lost would be held until the janitor comes"


def test_a_budget_is_never_negative() -> None:
    route = infer_work().route

    assert triage.budget(route, 1.5).budget_ms == 1500
    assert triage.budget(route, -3.0).budget_ms == 0


@pytest.mark.parametrize(
    "error",
    [
        errors.ModelFailedError("it raised"),
        errors.InternalError("lost"),
        errors.MalformedEntryError("too few bytes"),
    ],
)
def test_a_failure_that_is_not_the_clients_leaves_a_letter(error: errors.ParallaxError) -> None:
    move = triage.fail(entry(b""), SEAT, error, (SLOT,))

    assert isinstance(move.op, base.Bury)
    assert move.op.cause == f"{error.code}: {error.message}"
    assert code_of(move.op.reply) == error.code
    assert move.inputs == (SLOT,)


@pytest.mark.parametrize(
    "error", [errors.BadImageError("no picture"), errors.DeadlineExceededError("late")]
)
def test_a_failure_that_is_the_clients_leaves_none(error: errors.ParallaxError) -> None:
    assert isinstance(triage.fail(entry(b""), SEAT, error).op, base.Finish)


def test_an_unforeseen_error_is_hidden_from_the_client_and_told_in_the_letter() -> None:
    move = triage.fail(entry(b""), SEAT, triage.internal(KeyError("secret")))

    assert isinstance(move.op, base.Bury)
    assert b"secret" not in move.op.reply
    assert "KeyError: 'secret'" in move.op.trace


def test_a_long_cause_is_cut() -> None:
    move = triage.bury(entry(b""), SEAT, errors.InternalError("x" * 9000))

    assert isinstance(move.op, base.Bury)
    assert len(move.op.cause) == triage.MOST_CAUSE
