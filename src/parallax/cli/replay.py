"""A dead letter tried again: this command submits it and waits, as an api process does."""

import contextlib
import secrets
import time

import msgspec

from parallax.broker import answers, base, letters
from parallax.cli import letter_facts
from parallax.contract import errors, messages, wire

PATIENCE = 10.0
"""Seconds for which the mailbox outlives the deadline: a command that is killed leaves nothing."""
_CANCEL_TTL_MS = 300_000
_LONGEST_BLOCK = 1.0


def answer_to(broker: base.BlockingBroker, letter: letters.Letter, timeout: float) -> bytes:
    """Submit the request of a letter once more and return the answer: JSON, or a JPEG.

    A request that is given up again leaves no second letter.

    Raises:
        MalformedEntryError: the letter has no record or no picture.
        DeadlineExceededError: no answer within ``timeout`` seconds.
        ParallaxError: what a stage answered.
    """
    obstacle = letter_facts.obstacle(letter)
    if obstacle:
        raise errors.MalformedEntryError(f"{letter.id} cannot be replayed: {obstacle}")
    picture = broker.execute(letters.Picture(letter.id))
    # It is no node's name, so each worker goes by the budget and not by a clock of another machine.
    me = f"dlq:{secrets.token_hex(8)}"
    request = secrets.token_hex(12)
    route = messages.Route(request, 0, me, me, 0.0, int(timeout * 1000))
    work = msgspec.structs.replace(letter_facts.record(letter), route=route, picture=None)
    broker.execute(base.Beat(me, int((timeout + PATIENCE) * 1000)))
    submit = base.Submit(base.Address(request, 0, me), wire.encode(work), picture)
    found: base.ReplyEntry | None = None
    record = ""
    try:
        record = broker.execute(submit)
        found = _wait(broker, me, time.monotonic() + timeout)
    finally:
        _tidy(broker, me, base.Cancel(record, request, _CANCEL_TTL_MS) if found is None else None)
    return _answer(broker, found)


def _wait(broker: base.BlockingBroker, me: str, until: float) -> base.ReplyEntry:
    after = "0-0"
    while (left := until - time.monotonic()) > 0:
        block_ms = max(1, round(min(left, _LONGEST_BLOCK) * 1000))
        # Nobody else knows this mailbox, so what comes is the answer.
        for entry in broker.execute(base.ReadReplies(me, after, 1, block_ms)):
            return entry
    raise errors.DeadlineExceededError("no answer came in time; is a server running?")


def _tidy(broker: base.BlockingBroker, me: str, cancel: base.Cancel | None) -> None:
    with contextlib.suppress(errors.BrokerUnavailableError):
        if cancel is not None and cancel.record:
            broker.execute(cancel)
        broker.execute(base.CloseMailbox(me))


def _answer(broker: base.BlockingBroker, found: base.ReplyEntry) -> bytes:
    if found.letter:
        broker.execute(letters.Discard((found.letter,)))
    reply = answers.read(found)
    if reply.code:
        raise errors.from_code(reply.code, reply.message)
    return found.bulk
