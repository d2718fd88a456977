"""Streams with consumer groups and keys with a TTL, in this process: what the twin broker stands
on.

It behaves like the subset of Redis that ``encode`` and ``scripts`` use, and knows nothing of
requests. Time is the argument ``clock`` (monotonic seconds), so tests let leases run out without
waiting.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Identity = tuple[int, int]
Value = bytes | str | int

ORIGIN: Identity = (0, 0)


def identity(text: str) -> Identity:
    """Read ``milliseconds-sequence``."""
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence)


def text_of(number: Identity) -> str:
    """Write ``milliseconds-sequence``."""
    return f"{number[0]}-{number[1]}"


@dataclass(slots=True)
class Pending:
    """A delivered entry that nobody has acknowledged."""

    consumer: str
    since: float
    deliveries: int = 1


@dataclass(slots=True)
class Group:
    """A consumer group."""

    last: Identity = ORIGIN
    pending: dict[Identity, Pending] = field(default_factory=dict)
    consumers: set[str] = field(default_factory=set)

    def owner(self, entry: Identity) -> str | None:
        """Return the consumer that has the entry pending."""
        held = self.pending.get(entry)
        return held.consumer if held else None

    def of(self, consumer: str) -> list[Identity]:
        """Return what the consumer has pending, in order."""
        return sorted(at for at, held in self.pending.items() if held.consumer == consumer)


@dataclass(slots=True)
class Stream:
    """An append-only list of entries with gaps, and its groups."""

    entries: dict[Identity, list[bytes]] = field(default_factory=dict)
    last: Identity = ORIGIN
    groups: dict[str, Group] = field(default_factory=dict)

    def after(self, start: Identity, count: int) -> list[Identity]:
        """Return the first entries behind ``start``."""
        found = []
        for at in reversed(self.entries):
            if at <= start:
                break
            found.append(at)
        return found[::-1][:count]


class Store:
    """Everything that a server would hold."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._streams: dict[str, Stream] = {}
        self._hashes: dict[str, dict[str, bytes]] = {}
        self._values: dict[str, str] = {}
        self._ends: dict[str, float] = {}

    def now(self) -> float:
        """Return the clock's time."""
        return self._clock()

    def flush(self) -> None:
        """Lose everything, as a server does that restarts without persistence."""
        self._streams.clear()
        self._hashes.clear()
        self._values.clear()
        self._ends.clear()

    def names(self) -> dict[str, float | None]:
        """Return every key with the milliseconds it has left (``None``: it stays)."""
        for name in [*self._streams, *self._values]:
            self._expire(name)
        hashes = (name for name, held in self._hashes.items() if held)
        return {name: self.left_ms(name) for name in [*self._streams, *self._values, *hashes]}

    def stream(self, name: str) -> Stream | None:
        """Return a stream if there is one."""
        self._expire(name)
        return self._streams.get(name)

    def group(self, name: str, group: str) -> Group | None:
        """Return a group if there is one."""
        stream = self.stream(name)
        return stream.groups.get(group) if stream else None

    def make_group(self, name: str, group: str) -> Group:
        """Return the group, made at the stream's beginning if it was missing."""
        self._expire(name)
        return self._streams.setdefault(name, Stream()).groups.setdefault(group, Group())

    def add(self, name: str, fields: Iterable[Value]) -> str:
        """Append an entry and return its id."""
        self._expire(name)
        stream = self._streams.setdefault(name, Stream())
        new = max((int(self._clock() * 1000) + 1, 0), (stream.last[0], stream.last[1] + 1))
        stream.entries[new] = [_to_bytes(value) for value in fields]
        stream.last = new
        return text_of(new)

    def trim(self, name: str, most: int) -> list[str]:
        """Drop the oldest entries of a stream that has more; return which."""
        stream = self.stream(name)
        old = [text_of(at) for at in list(stream.entries)[:-most]] if stream else []
        for entry in old:
            self.remove(name, entry)
        return old

    def hash(self, name: str) -> dict[str, bytes]:
        """Return a hash, to read and to change."""
        return self._hashes.setdefault(name, {})

    def remove(self, name: str, entry: str) -> bool:
        """Delete an entry; whoever has it pending keeps it pending, as in Redis."""
        stream = self.stream(name)
        return stream is not None and stream.entries.pop(identity(entry), None) is not None

    def get(self, name: str) -> str | None:
        """Return a value that has not expired."""
        self._expire(name)
        return self._values.get(name)

    def put(self, name: str, value: str, ttl_ms: float) -> None:
        """Set a value that expires."""
        self._values[name] = value
        self._ends[name] = self._clock() + ttl_ms / 1000

    def extend(self, name: str, ttl_ms: float) -> bool:
        """Give an existing key a new TTL."""
        self._expire(name)
        if name not in self._values and name not in self._streams:
            return False
        self._ends[name] = self._clock() + ttl_ms / 1000
        return True

    def left_ms(self, name: str) -> float | None:
        """Return the TTL of an existing key that has one."""
        end = self._ends.get(name)
        return None if end is None else (end - self._clock()) * 1000

    def drop(self, name: str) -> bool:
        """Delete a key of either kind."""
        self._ends.pop(name, None)
        had = self._streams.pop(name, None) is not None
        return (self._values.pop(name, None) is not None) or had

    def _expire(self, name: str) -> None:
        end = self._ends.get(name)
        if end is not None and end <= self._clock():
            self.drop(name)


def _to_bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
