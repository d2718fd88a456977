"""From a delivered entry to its work, or to the operation that disposes of it; and back to a reply.

Shared by the CPU stages and the inference loop, so that there is one opinion on what is expired,
what is poisoned and what is not one of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from parallax.broker import base
from parallax.contract import errors, messages, wire
from parallax.policy import delivery
from parallax.workers import traces

MOST_CAUSE = 500
"""Characters of a dead letter's cause."""

_OURS = (errors.InternalError, errors.MalformedEntryError, errors.ModelFailedError)
"""Failures that are the server's or the model's."""

W = TypeVar("W", messages.PreWork, messages.InferWork, messages.PostWork)


@dataclass(frozen=True, slots=True)
class Seat:
    """Who a consumer is, and by which rules it judges what it is given."""

    node: str
    holder: base.Holder
    max_losses: int


@dataclass(frozen=True, slots=True)
class Move:
    """What shall become of an entry, and which slab slots hang on it.

    ``inputs`` are freed when the entry has moved on (or was cancelled): whoever owns it otherwise
    still needs them. ``outputs`` were made for the next stage and are freed when it will never see
    them.
    """

    op: base.Op[base.Outcome]
    inputs: tuple[messages.SlotRef, ...] = ()
    outputs: tuple[messages.SlotRef, ...] = ()

    def to_free(
        self, outcome: base.Outcome, *, retried: bool = False
    ) -> tuple[messages.SlotRef, ...]:
        """Return the slots that nobody needs after this outcome.

        When the operation was ``retried``, "not the owner" may mean that the first try succeeded:
        then the next stage reads the outputs, and the janitor frees what nobody does.
        """
        if outcome is base.Outcome.NOT_OWNER and retried:
            return ()
        if outcome is base.Outcome.DONE:
            return self.inputs
        if outcome is base.Outcome.CANCELLED:
            return self.inputs + self.outputs
        return self.outputs


@dataclass(frozen=True, slots=True)
class Settled:
    """What is left to do when moves were carried out."""

    free: tuple[messages.SlotRef, ...]
    """Slots that nobody needs any more."""
    again: tuple[Move, ...]
    """How requests are answered whose tensor is lost, and of which nothing is left to compute
    from."""


def settled(
    moves: Sequence[Move], outcomes: Sequence[base.Outcome], seat: Seat, *, retried: bool
) -> Settled:
    """Return what the outcomes of moves leave to do; ``retried`` as in ``Move.to_free``."""
    pairs = list(zip(moves, outcomes, strict=True))
    lost = errors.InternalError("the request's data was lost")
    return Settled(
        tuple(slot for move, outcome in pairs for slot in move.to_free(outcome, retried=retried)),
        tuple(
            fail(move.op.entry, seat, lost, move.inputs)
            for move, outcome in pairs
            if outcome is base.Outcome.RECORD_LOST and isinstance(move.op, base.Recompute)
        ),
    )


@dataclass(frozen=True, slots=True)
class Accepted(Generic[W]):
    """An entry that is worth working on, until ``until`` (seconds of this node's monotonic
    clock)."""

    entry: base.Entry
    work: W
    until: float


def triage(entry: base.Entry, kind: type[W], seat: Seat, now: float) -> Accepted[W] | Move:
    """Return the entry's work, or how to dispose of an entry that shall not be worked on.

    ``now`` is this node's monotonic clock in seconds.
    """
    try:
        work = wire.decode(kind, entry.work)
    except errors.MalformedEntryError as problem:
        return bury(entry, seat, problem)
    inputs = slots_of(work)
    left = delivery.remaining(work.route, seat.node, now)
    match delivery.judge(entry.losses, seat.max_losses, left):
        case delivery.Verdict.BURY:
            lost = errors.PoisonedError(
                f"the request was set aside after {entry.losses} workers died or gave up on it"
            )
            return bury(entry, seat, lost, inputs)
        case delivery.Verdict.EXPIRED:
            late = errors.DeadlineExceededError("the request's deadline passed while it waited")
            return fail(entry, seat, late, inputs)
        case delivery.Verdict.WORK:
            return Accepted(entry, work, now + left)


def slots_of(work: messages.Work) -> tuple[messages.SlotRef, ...]:
    """Return the slab slots that a piece of work reads."""
    match work:
        case messages.InferWork():
            return (work.tensor.slot,) if work.tensor.slot else ()
        case messages.PostWork():
            return tuple(ref.slot for ref in work.outputs if ref.slot)
        case _:
            return ()


def fail(
    entry: base.Entry,
    seat: Seat,
    error: errors.ParallaxError,
    inputs: tuple[messages.SlotRef, ...] = (),
) -> Move:
    """Answer an entry's client with an error; a lost tensor is computed again instead.

    What no client can have caused leaves a dead letter.
    """
    if isinstance(error, errors.TensorLostError):
        return Move(base.Recompute(entry, seat.holder), inputs)
    if isinstance(error, _OURS):
        return bury(entry, seat, error, inputs)
    return Move(base.Finish(entry, seat.holder, error_reply(entry, error), b""), inputs)


def bury(
    entry: base.Entry,
    seat: Seat,
    error: errors.ParallaxError,
    inputs: tuple[messages.SlotRef, ...] = (),
) -> Move:
    """Move an entry to the dead letters and answer its client with the error."""
    cause = f"{error.code}: {error.message}"[:MOST_CAUSE]
    reply = error_reply(entry, error)
    return Move(base.Bury(entry, seat.holder, cause, reply, traces.of(error)), inputs)


def internal(problem: Exception) -> errors.InternalError:
    """Return what a client is told of an error that nobody foresaw; its letter tells the rest."""
    unforeseen = errors.InternalError("Internal error.")
    unforeseen.__cause__ = problem
    return unforeseen


def error_reply(entry: base.Entry, error: errors.ParallaxError) -> bytes:
    """Return an encoded error reply to whoever waits for this entry."""
    address = entry.address
    return wire.encode(
        messages.Reply(address.request, address.item, error.code, error.message, messages.Timings())
    )


def budget(route: messages.Route, left: float) -> messages.Route:
    """Return the route with the time that is left now, for a stage on another node."""
    return messages.Route(
        route.request,
        route.item,
        route.reply_to,
        route.origin,
        route.deadline,
        max(0, int(left * 1000)),
    )
