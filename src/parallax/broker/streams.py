"""A conversation with a Redis server as pure logic: what to send next, given what came back.

``exchange`` is a generator that yields batches of commands and is sent their replies. The clients
only carry bytes, so asyncio and threads cannot differ in what an operation means, and the healing
steps (an unknown script, a lost consumer group) are written and tested once, without a connection.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from parallax.broker import base, decode, encode, housekeeping, letters
from parallax.broker.keys import Keys

_REPEATABLE = frozenset(
    {
        base.Renew,
        base.Release,
        base.Cancel,
        base.Abandoned,
        base.Live,
        base.Fetch,
        base.Beat,
        base.CloseMailbox,
        base.ReadReplies,
        base.TrimReplies,
        housekeeping.EnsureGroups,
        housekeeping.Forget,
        housekeeping.Acquire,
        housekeeping.Surrender,
        housekeeping.Survey,
        letters.Letters,
        letters.Find,
        letters.Picture,
        letters.Attach,
        letters.Discard,
    }
)
"""Operations that do no harm when they are carried out twice, the first time with the answer lost.

``Submit`` would fork the request. A second ``HandOff`` or ``Finish`` would be harmless but answer
``NOT_OWNER`` for a success. ``Read`` would hide that entries were delivered to nobody.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands for one round trip."""

    commands: Sequence[encode.Command]
    block_ms: int
    """How long the server may rightly take to answer, beyond the time for work."""
    repeatable: bool
    """Whether the batch may be sent again after a connection broke with it under way."""


Exchange = Generator[Batch, Sequence[decode.Reply], list[Any]]


def exchange(ops: Sequence[base.Op[Any]], keys: Keys) -> Exchange:
    """Carry operations out: yields batches, wants as many replies as commands, returns the answers.

    Raises what ``decode.answer`` raises, after all operations have been tried.
    """
    plan = [encode.commands(op, keys) for op in ops]
    commands = [command for part in plan for command in part]
    block_ms = max((blocking_time(op) for op in ops), default=0)
    repeatable = all(type(op) in _REPEATABLE for op in ops)
    replies = yield from _with_scripts(Batch(commands, block_ms, repeatable))
    answers, at = [], 0
    for op, part in zip(ops, plan, strict=True):
        own = replies[at : at + len(part)]
        at += len(part)
        if isinstance(op, base.Read) and decode.group_is_missing(own[0]):
            own = yield from _after_healing(op, part, keys)
        answers.append((op, own))
    return [decode.answer(op, keys, own) for op, own in answers]


def blocking_time(op: base.Op[Any]) -> int:
    """Return for how many milliseconds the server may hold the operation's connection."""
    return op.block_ms if isinstance(op, base.Read | base.ReadReplies) else 0


def _with_scripts(
    batch: Batch,
) -> Generator[Batch, Sequence[decode.Reply], list[decode.Reply]]:
    """Send scripts by digest; where the server does not know one, nothing ran: send its source."""
    replies = list((yield batch)) if batch.commands else []
    unknown = [at for at, reply in enumerate(replies) if _is_unknown_script(reply)]
    if unknown:
        again = [encode.with_source(batch.commands[at]) for at in unknown]
        for at, reply in zip(unknown, (yield Batch(again, 0, batch.repeatable)), strict=True):
            replies[at] = reply
    return replies


def _after_healing(
    op: base.Read, part: Sequence[encode.Command], keys: Keys
) -> Generator[Batch, Sequence[decode.Reply], list[decode.Reply]]:
    """Make the groups again at the beginning of their streams and read once more."""
    yield Batch([encode.group_creation(name, op.holder.group) for name in op.streams], 0, True)
    return list((yield Batch(part, op.block_ms, False)))


def _is_unknown_script(reply: decode.Reply) -> bool:
    return isinstance(reply, decode.Refusal) and reply.code == "NOSCRIPT"
