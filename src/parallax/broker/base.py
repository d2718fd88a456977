"""What parallax asks of a broker: a closed family of operations, and who carries them out.

An operation is plain data. ``broker.streams`` turns it into Redis commands and reads the answer,
``broker.memory`` applies it to an in-process twin; workers (blocking) and servers (asyncio) share
both, because neither the family nor its translation does any I/O.

The invariant that the family keeps: at any moment a live request is exactly one queued or pending
entry in exactly one stage. Every operation that moves an entry first checks, in the same atomic
step, that the caller still owns it; a late, presumed-dead worker changes nothing and learns so from
``Outcome.NOT_OWNER``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from parallax.contract.topology import Stage

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Op(Generic[T_co]):
    """An operation whose answer is a ``T_co``."""

    __slots__ = ()


class Outcome(Enum):
    """What became of an attempt to move an entry on."""

    DONE = "done"
    NOT_OWNER = "not owner"
    """Somebody else owns the entry now, or it is finished: the caller's work is void."""
    CANCELLED = "cancelled"
    """The client has gone: the entry and the request's record were removed instead."""
    RECORD_LOST = "record lost"
    """Only for ``Recompute``: the record is no longer there, so nothing was done."""


@dataclass(frozen=True, slots=True)
class Address:
    """The labels of a request that the scripts themselves must read."""

    request: str
    item: int
    api: str
    """Id of the api process that waits for the reply."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivered stream entry, not yet interpreted.

    ``work`` and ``bulk`` are the bytes of ``contract.wire`` and of the arrays; ``losses`` counts
    the owners that died while working on the request; ``record`` is the id of the request's record
    in the pre stream (for a pre entry: its own id).
    """

    stream: str
    id: str
    record: str
    address: Address
    losses: int
    work: bytes
    bulk: bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """Who claims to own an entry."""

    group: Stage
    consumer: str


@dataclass(frozen=True, slots=True)
class Submit(Op[str]):
    """Append a new request to the pre stream; answers the entry id, which is also its record id."""

    address: Address
    work: bytes
    bulk: bytes


@dataclass(frozen=True, slots=True)
class Read(Op[list[Entry]]):
    """Take new entries for a consumer; waits up to ``block_ms`` (0: do not wait) for the first.

    ``count`` bounds the entries per stream. An entry that is not one of ours (fields missing) is
    moved to the dead-letter stream by the executor's caller: it is delivered as an ``Entry`` with
    empty ``work`` and empty address, and the consumer answers with ``Bury``. Raises nothing when a
    stream or group is missing: the executor recreates groups at id 0 and retries.
    """

    streams: tuple[str, ...]
    holder: Holder
    count: int
    block_ms: int


@dataclass(frozen=True, slots=True)
class HandOff(Op[Outcome]):
    """Move an owned entry on to the next stage: XADD there, XACK here, XDEL here unless it is the
    record.

    The losses counted so far and the record id travel with it.
    """

    entry: Entry
    holder: Holder
    target: str
    work: bytes
    bulk: bytes


@dataclass(frozen=True, slots=True)
class Finish(Op[Outcome]):
    """Deliver the reply of an owned entry and remove the entry and the request's record.

    The reply is dropped silently when the api's mailbox is gone (its client connections died with
    it).
    """

    entry: Entry
    holder: Holder
    reply: bytes
    bulk: bytes


@dataclass(frozen=True, slots=True)
class Recompute(Op[Outcome]):
    """Queue the request's record again in the pre stream (its tensor was lost) and drop this entry.

    Counts as a lost owner, so that it cannot go on for ever.
    """

    entry: Entry
    holder: Holder


@dataclass(frozen=True, slots=True)
class Bury(Op[Outcome]):
    """Move an owned entry to the dead letters (``broker.letters``) with its cause and the traceback
    behind it, and answer its client with ``reply``."""

    entry: Entry
    holder: Holder
    cause: str
    reply: bytes
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """What ``Release`` did to one page of a dead consumer's pending entries."""

    requeued: int
    buried: int
    vanished: int
    """Pending entries whose body was gone: only acknowledged."""

    @property
    def total(self) -> int:
        """Entries looked at; 0 means that the consumer has no more."""
        return self.requeued + self.buried + self.vanished


@dataclass(frozen=True, slots=True)
class Release(Op[Released]):
    """Give one page (at most 100) of a dead consumer's pending entries back to its stream.

    Each is queued again as a new entry (with the next id), with its losses raised by one if its id
    is in ``guilty`` (``None``: all are). An entry whose losses reach ``limit`` goes to the
    dead-letter stream instead, and its client gets the error reply ``(code, message)`` below.
    """

    stream: str
    holder: Holder
    guilty: frozenset[str] | None
    limit: int
    cause: str
    told: str = ""
    """What a client is told whose request is given up; empty: that its workers were lost."""


@dataclass(frozen=True, slots=True)
class Renew(Op[None]):
    """Renew a consumer's lease and set the idle time of its own pending entries to zero.

    Uses XCLAIM JUSTID on what the consumer still owns and nothing else, so that neither delivery
    counts nor other owners are touched.
    """

    streams: tuple[str, ...]
    holder: Holder
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """One page of XAUTOCLAIM."""

    cursor: str
    """Where the next page starts; ``0-0`` after the last one."""
    entries: int
    vanished: int


@dataclass(frozen=True, slots=True)
class Claim(Op[Claimed]):
    """Take over entries that nobody renewed for ``min_idle_ms``: one XAUTOCLAIM page from
    ``cursor``."""

    stream: str
    holder: Holder
    min_idle_ms: int
    cursor: str
    count: int = 100


class Cancelled(Enum):
    """What a cancellation found."""

    REMOVED = "removed"
    """Not started: the entry is gone."""
    MARKED = "marked"
    """Started: marked, so that it is dropped before its next stage."""


@dataclass(frozen=True, slots=True)
class Cancel(Op[Cancelled]):
    """Take back a request whose client has gone."""

    record: str
    request: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Abandoned(Op[list[bool]]):
    """Tell for each request id whether it was cancelled."""

    requests: tuple[str, ...]
    apis: tuple[str, ...] = ()
    """Who waits for each; if given, one whose api process has no mailbox any more is abandoned
    too."""


@dataclass(frozen=True, slots=True)
class Live(Op[list[bool]]):
    """Tell for each record id whether the record still exists (without moving its bytes)."""

    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fetch(Op[Entry | None]):
    """Read a record, with the encoded picture as its bulk, without taking it; ``None``: gone."""

    record: str


@dataclass(frozen=True, slots=True)
class Beat(Op[None]):
    """Open or renew an api process's mailbox and the TTL of its reply stream."""

    api: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class CloseMailbox(Op[None]):
    """Remove an api process's mailbox and reply stream."""

    api: str


@dataclass(frozen=True, slots=True)
class ReplyEntry:
    """One reply as it lies in a mailbox: bytes of a ``Reply`` (or, from a script, code and
    message)."""

    id: str
    request: str
    item: int
    reply: bytes
    """Encoded ``messages.Reply``; empty when a script wrote the reply, which then has ``code``."""
    code: str
    message: str
    bulk: bytes
    letter: str = ""
    """Id of the dead letter that the request has become, if it has."""


@dataclass(frozen=True, slots=True)
class ReadReplies(Op[list[ReplyEntry]]):
    """Wait up to ``block_ms`` for replies after ``after``; malformed entries are skipped."""

    api: str
    after: str
    count: int
    block_ms: int


@dataclass(frozen=True, slots=True)
class TrimReplies(Op[None]):
    """Drop the replies up to and including ``upto``, which have been read."""

    api: str
    upto: str


class AsyncBroker(Protocol):
    """Carries operations out on asyncio.

    Raises ``errors.BrokerUnavailableError`` when the broker cannot be reached or refuses writes;
    each call has a deadline of its own. A blocking read takes a connection of its own and never
    shares it.
    """

    async def execute(self, op: Op[T]) -> T:
        """Carry one operation out."""
        ...

    async def execute_many(self, ops: Sequence[Op[T]]) -> list[T]:
        """Carry several out in one round trip; not atomic together. No blocking reads among
        them."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class BlockingBroker(Protocol):
    """The same for a process without an event loop; not thread-safe (one instance per thread)."""

    def execute(self, op: Op[T]) -> T:
        """Carry one operation out."""
        ...

    def execute_many(self, ops: Sequence[Op[T]]) -> list[T]:
        """Carry several out in one round trip; not atomic together."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
