"""The two brokers behind one face, with a back door: what tests need to see and to break."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import redis

from parallax.broker import base, client, memory, memory_store
from parallax.broker.keys import Keys

T = TypeVar("T")

KEYS = Keys(namespace="test", node="n1")

Value = bytes | str | int


class World(Protocol):
    """A broker with its state laid open."""

    def connect(self) -> base.BlockingBroker:
        """Return a client for threads."""
        ...

    def connect_async(self) -> base.AsyncBroker:
        """Return a client for asyncio."""
        ...

    def add(self, stream: str, fields: Mapping[str, Value], entry: str = "*") -> str:
        """Append any entry, like a stranger."""
        ...

    def entries(self, stream: str) -> dict[str, dict[bytes, bytes]]:
        """Return what lies in a stream."""
        ...

    def pending(self, stream: str, group: str) -> dict[str, tuple[str, int]]:
        """Return owner and delivery count of each pending entry."""
        ...

    def last_delivered(self, stream: str, group: str) -> str:
        """Return where a group stands."""
        ...

    def delete(self, stream: str, entry: str) -> None:
        """Delete an entry behind everybody's back."""
        ...

    def age(self, stream: str, group: str, entry: str, milliseconds: int) -> None:
        """Let a pending entry look idle for so long."""
        ...

    def expire(self, name: str) -> None:
        """Let a key's TTL run out."""
        ...

    def flush(self) -> None:
        """Lose everything."""
        ...

    def names(self) -> dict[str, float | None]:
        """Return all keys with the milliseconds left, ``None`` without a TTL."""
        ...


class MemoryWorld:
    """The twin, on a clock that stands still."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._memory = memory.Memory(lambda: self.time)
        self._store = self._memory.store

    def connect(self) -> base.BlockingBroker:
        return memory.connect_blocking(self._memory, KEYS)

    def connect_async(self) -> base.AsyncBroker:
        return memory.connect_async(self._memory, KEYS)

    def add(self, stream: str, fields: Mapping[str, Value], entry: str = "*") -> str:
        flat = [part for pair in fields.items() for part in pair]
        new = self._store.add(stream, flat)
        if entry == "*":
            return new
        found = self._store.stream(stream)
        assert found is not None
        found.entries[memory_store.identity(entry)] = found.entries.pop(memory_store.identity(new))
        return entry

    def entries(self, stream: str) -> dict[str, dict[bytes, bytes]]:
        found = self._store.stream(stream)
        return {
            memory_store.text_of(at): dict(zip(flat[::2], flat[1::2], strict=True))
            for at, flat in (found.entries.items() if found else ())
        }

    def pending(self, stream: str, group: str) -> dict[str, tuple[str, int]]:
        found = self._store.group(stream, group)
        return {
            memory_store.text_of(at): (held.consumer, held.deliveries)
            for at, held in sorted(found.pending.items() if found else ())
        }

    def last_delivered(self, stream: str, group: str) -> str:
        found = self._store.group(stream, group)
        return memory_store.text_of(found.last) if found else "0-0"

    def delete(self, stream: str, entry: str) -> None:
        self._store.remove(stream, entry)

    def age(self, stream: str, group: str, entry: str, milliseconds: int) -> None:
        found = self._store.group(stream, group)
        assert found is not None
        found.pending[memory_store.identity(entry)].since = self.time - milliseconds / 1000

    def expire(self, name: str) -> None:
        self._store.drop(name)

    def flush(self) -> None:
        self._store.flush()
        self._memory.wake()

    def names(self) -> dict[str, float | None]:
        return self._store.names()


class ValkeyWorld:
    """A real server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.probe: Any = redis.Redis.from_url(url, protocol=2)

    def connect(self) -> base.BlockingBroker:
        return client.connect_blocking(self._url, KEYS)

    def connect_async(self) -> base.AsyncBroker:
        return client.connect_async(self._url, KEYS)

    def add(self, stream: str, fields: Mapping[str, Value], entry: str = "*") -> str:
        return str(self.probe.xadd(stream, dict(fields), id=entry), "ascii")

    def entries(self, stream: str) -> dict[str, dict[bytes, bytes]]:
        return {at.decode(): fields for at, fields in self.probe.xrange(stream)}

    def pending(self, stream: str, group: str) -> dict[str, tuple[str, int]]:
        try:
            rows = self.probe.xpending_range(stream, group, "-", "+", 1000)
        except redis.ResponseError:
            return {}
        return {
            row["message_id"].decode(): (row["consumer"].decode(), row["times_delivered"])
            for row in rows
        }

    def last_delivered(self, stream: str, group: str) -> str:
        if not self.probe.exists(stream):
            return "0-0"
        groups = self.probe.xinfo_groups(stream)
        return next(
            (at["last-delivered-id"].decode() for at in groups if at["name"] == group.encode()),
            "0-0",
        )

    def delete(self, stream: str, entry: str) -> None:
        self.probe.xdel(stream, entry)

    def age(self, stream: str, group: str, entry: str, milliseconds: int) -> None:
        owner = self.pending(stream, group)[entry][0]
        self.probe.xclaim(stream, group, owner, 0, [entry], idle=milliseconds, justid=True)

    def expire(self, name: str) -> None:
        self.probe.pexpire(name, 0)

    def flush(self) -> None:
        self.probe.flushall()

    def names(self) -> dict[str, float | None]:
        left = {name.decode(): self.probe.pttl(name) for name in self.probe.scan_iter()}
        return {name: None if ttl < 0 else float(ttl) for name, ttl in left.items()}

    def close(self) -> None:
        self.probe.close()


class Threaded:
    """A blocking client as an asyncio one, so that one suite drives both."""

    def __init__(self, inner: base.BlockingBroker) -> None:
        self._inner = inner

    async def execute(self, op: base.Op[T]) -> T:
        run: Callable[[base.Op[T]], T] = self._inner.execute
        return await asyncio.to_thread(run, op)

    async def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        run: Callable[[Sequence[base.Op[T]]], list[T]] = self._inner.execute_many
        return await asyncio.to_thread(run, ops)

    async def aclose(self) -> None:
        self._inner.close()


def next_millisecond(world: World) -> None:
    """Let time pass until no id can be given a second time."""
    if isinstance(world, MemoryWorld):
        world.time += 1.0
        return
    assert isinstance(world, ValkeyWorld)
    seconds, microseconds = world.probe.time()
    while world.probe.time() <= (seconds, microseconds // 1000 * 1000 + 1000):
        pass
