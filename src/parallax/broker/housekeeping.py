"""Operations on streams, groups and locks as such, beside those of ``base`` that move requests."""

from dataclasses import dataclass, field

from parallax.broker import base
from parallax.contract.topology import Stage


@dataclass(frozen=True, slots=True)
class EnsureGroups(base.Op[None]):
    """Create the streams and their consumer groups at id 0 where they are missing."""

    streams: tuple[tuple[str, Stage], ...]


@dataclass(frozen=True, slots=True)
class Forget(base.Op[bool]):
    """Delete a consumer if it has nothing pending (DELCONSUMER would destroy what it has)."""

    stream: str
    holder: base.Holder


@dataclass(frozen=True, slots=True)
class Retire(base.Op[bool]):
    """Delete an empty stream without consumers and pending entries; answers whether it did."""

    stream: str
    group: Stage


@dataclass(frozen=True, slots=True)
class Acquire(base.Op[bool]):
    """Take or renew a lock: true while ``token`` holds ``name``."""

    name: str
    token: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Surrender(base.Op[None]):
    """Give a lock back if ``token`` still holds it."""

    name: str
    token: str


@dataclass(frozen=True, slots=True)
class StreamStats:
    """Length and pending entries of a work stream."""

    length: int
    pending: int
    consumers: dict[str, int] = field(default_factory=dict)
    """Pending entries of each consumer that has any."""


@dataclass(frozen=True, slots=True)
class Survey(base.Op[dict[str, StreamStats]]):
    """Measure the given streams (and the dead-letter stream, under its key, with nothing
    pending)."""

    streams: tuple[tuple[str, Stage], ...]
