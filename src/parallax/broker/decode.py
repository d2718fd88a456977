"""What the server answered to answers: the mirror of ``encode``. No I/O."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from parallax.broker import base, frames, housekeeping, letters
from parallax.broker.keys import Keys
from parallax.contract import errors

Reply = Any
"""Bytes, an integer, ``None``, a list of these, or a ``Refusal``."""

_UNAVAILABLE = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOAUTH",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "Protocol",  # how a server that wants a password answers a long command
        "READONLY",
        "TRYAGAIN",
        "WRONGPASS",
    }
)
"""Refusals that say something about the server and nothing about the operation."""
_TOO_MANY = "max number of clients reached"
"""How a server greets a connection that is one too many, before it closes it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error reply: the word it starts with, and the whole text."""

    code: str
    text: str

    def as_error(self) -> errors.ParallaxError:
        """Return what the caller of the operation gets to see."""
        if self.code in _UNAVAILABLE or self.text.startswith(_TOO_MANY):
            return errors.BrokerUnavailableError(f"the broker refuses: {self.text}")
        return errors.InternalError(f"unexpected answer of the broker: {self.text}")


def answer(op: base.Op[Any], keys: Keys, replies: Sequence[Reply]) -> Any:
    """Read the operation's answer out of the replies to its commands.

    Raises:
        BrokerUnavailableError: the server is full, loading, read-only or otherwise not in service.
        InternalError: it refused for a reason that should not occur, or answered what no server
            of this protocol answers.
    """
    if type(op) in _TOLERANT:
        replies = [None if _is_missing(reply) else reply for reply in replies]
    for reply in replies:
        if isinstance(reply, Refusal):
            raise reply.as_error()
    try:
        return _DECODERS[type(op)](op, keys, replies)
    except (TypeError, ValueError, LookupError, AttributeError) as problem:
        name = type(op).__name__
        raise errors.InternalError(f"unreadable answer of the broker to {name}") from problem


def group_is_missing(reply: Reply) -> bool:
    """Tell whether the stream or its group went away, before or during a read."""
    return isinstance(reply, Refusal) and reply.code in {"NOGROUP", "UNBLOCKED"}


def _is_missing(reply: Reply) -> bool:
    return isinstance(reply, Refusal) and reply.code in {"NOGROUP", "UNBLOCKED", "BUSYGROUP"}


def _nothing(op: base.Op[Any], keys: Keys, replies: Sequence[Reply]) -> None:
    return None


def _truth(op: base.Op[Any], keys: Keys, replies: Sequence[Reply]) -> bool:
    return bool(replies[0])


def _identity(op: base.Submit, keys: Keys, replies: Sequence[Reply]) -> str:
    return str(replies[0], "ascii")


def _outcome(op: base.Op[Any], keys: Keys, replies: Sequence[Reply]) -> base.Outcome:
    return base.Outcome(str(replies[0], "ascii"))


def _entries(op: base.Read, keys: Keys, replies: Sequence[Reply]) -> list[base.Entry]:
    names = {stream.encode(): stream for stream in op.streams}
    return [
        frames.entry(names[stream], identity, flat, is_record=names[stream] == keys.pre)
        for stream, delivered in replies[0] or ()
        for identity, flat in delivered
        if flat is not None
    ]


def _released(op: base.Release, keys: Keys, replies: Sequence[Reply]) -> base.Released:
    return base.Released(*replies[0])


def _claimed(op: base.Claim, keys: Keys, replies: Sequence[Reply]) -> base.Claimed:
    if replies[0] is None:
        return base.Claimed(cursor="0-0", entries=0, vanished=0)
    cursor, taken, *gone = replies[0]
    return base.Claimed(
        cursor=str(cursor, "ascii"), entries=len(taken), vanished=len(gone[0]) if gone else 0
    )


def _cancelled(op: base.Cancel, keys: Keys, replies: Sequence[Reply]) -> base.Cancelled:
    return base.Cancelled(str(replies[0], "ascii"))


def _abandoned(op: base.Abandoned, keys: Keys, replies: Sequence[Reply]) -> list[bool]:
    if not replies:
        return []
    marks, boxes = replies[0][: len(op.requests)], replies[0][len(op.requests) :]
    gone = [mark is not None for mark in marks]
    homeless = [box is None for box in boxes]
    return [a or b for a, b in itertools.zip_longest(gone, homeless, fillvalue=False)]


def _live(op: base.Live, keys: Keys, replies: Sequence[Reply]) -> list[bool]:
    return [count > 0 for count in replies[0]]


def _fetched(op: base.Fetch, keys: Keys, replies: Sequence[Reply]) -> base.Entry | None:
    found = [
        frames.entry(keys.pre, identity, flat, is_record=True)
        for reply in replies
        for identity, flat in reply
    ]
    return found[0] if found else None


def _replies(op: base.ReadReplies, keys: Keys, replies: Sequence[Reply]) -> list[base.ReplyEntry]:
    read = (
        frames.reply(identity, flat)
        for _, delivered in replies[0] or ()
        for identity, flat in delivered
    )
    return [reply for reply in read if reply is not None]


def _survey(
    op: housekeeping.Survey, keys: Keys, replies: Sequence[Reply]
) -> dict[str, housekeeping.StreamStats]:
    found = {keys.dead: housekeeping.StreamStats(length=replies[0], pending=0)}
    for (stream, _), length, summary in zip(op.streams, replies[1::2], replies[2::2], strict=True):
        count, _, _, consumers = summary or (0, None, None, None)
        found[stream] = housekeeping.StreamStats(
            length=length,
            pending=count,
            consumers={name.decode(): int(number) for name, number in consumers or ()},
        )
    return found


def _letters(
    op: letters.Letters | letters.Find, keys: Keys, replies: Sequence[Reply]
) -> list[letters.Letter]:
    return [frames.letter(identity, flat, size) for identity, flat, size in replies[0]]


def _letter(op: letters.Find, keys: Keys, replies: Sequence[Reply]) -> letters.Letter | None:
    found = _letters(op, keys, replies)
    return found[0] if found else None


def _picture(op: letters.Picture, keys: Keys, replies: Sequence[Reply]) -> bytes:
    return replies[0] or b""


def _count(op: letters.Discard, keys: Keys, replies: Sequence[Reply]) -> int:
    return int(replies[0]) if replies else 0


_TOLERANT = frozenset(
    {base.Read, base.Claim, housekeeping.EnsureGroups, housekeeping.Survey, base.ReadReplies}
)
"""Operations to which a missing group, or one that is there already, is no error."""

_DECODERS: dict[type[base.Op[Any]], Callable[[Any, Keys, Sequence[Reply]], Any]] = {
    base.Submit: _identity,
    base.Read: _entries,
    base.HandOff: _outcome,
    base.Finish: _outcome,
    base.Recompute: _outcome,
    base.Bury: _outcome,
    base.Release: _released,
    base.Renew: _nothing,
    base.Claim: _claimed,
    base.Cancel: _cancelled,
    base.Abandoned: _abandoned,
    base.Live: _live,
    base.Fetch: _fetched,
    base.Beat: _nothing,
    base.CloseMailbox: _nothing,
    base.ReadReplies: _replies,
    base.TrimReplies: _nothing,
    housekeeping.EnsureGroups: _nothing,
    housekeeping.Forget: _truth,
    housekeeping.Retire: _truth,
    housekeeping.Acquire: _truth,
    housekeeping.Surrender: _nothing,
    housekeeping.Survey: _survey,
    letters.Letters: _letters,
    letters.Find: _letter,
    letters.Picture: _picture,
    letters.Attach: _truth,
    letters.Discard: _count,
}
