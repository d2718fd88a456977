"""The broker without a server: the same operations on one process's memory.

For tests, which get the whole system's semantics in microseconds and a clock they own. Async and
blocking clients may share one ``Memory``, also across threads.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from parallax.broker import (
    base,
    housekeeping,
    letters,
    memory_letters,
    memory_moves,
    memory_upkeep,
    streams,
)
from parallax.broker.keys import Keys
from parallax.broker.memory_store import Store

T = TypeVar("T")


class Memory:
    """The state that clients share. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.store = Store(clock)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    def apply(self, op: base.Op[Any], keys: Keys) -> Any:
        """Carry out one operation now; a read with nothing to read answers an empty list."""
        with self._lock:
            answer = _APPLIERS[type(op)](op, keys, self.store)
        if type(op) in _APPENDING:
            self.wake()
        return answer

    def wake(self) -> None:
        """Make waiting readers look again."""
        for listener in tuple(self._listeners):
            listener()

    @contextlib.contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call the listener after every append."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)


def connect_async(memory: Memory, keys: Keys) -> base.AsyncBroker:
    """Return a client for asyncio."""
    return _AsyncClient(memory, keys)


def connect_blocking(memory: Memory, keys: Keys) -> base.BlockingBroker:
    """Return a client for a thread."""
    return _BlockingClient(memory, keys)


class _AsyncClient:
    def __init__(self, memory: Memory, keys: Keys) -> None:
        self._memory = memory
        self._keys = keys

    async def execute(self, op: base.Op[T]) -> T:
        answer: T = self._memory.apply(op, self._keys)
        if answer or not streams.blocking_time(op):
            # Every operation of a real broker lets other tasks run; so does this one.
            await asyncio.sleep(0)
            return answer
        return await self._wait(op, answer)

    async def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        return [await self.execute(op) for op in ops]

    async def aclose(self) -> None:
        pass

    async def _wait(self, op: base.Op[T], answer: T) -> T:
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        with (
            self._memory.listening(wake),
            contextlib.suppress(TimeoutError),
        ):
            async with asyncio.timeout(streams.blocking_time(op) / 1000):
                answer = self._memory.apply(op, self._keys)
                while not answer:
                    await changed.wait()
                    changed.clear()
                    answer = self._memory.apply(op, self._keys)
        return answer


class _BlockingClient:
    def __init__(self, memory: Memory, keys: Keys) -> None:
        self._memory = memory
        self._keys = keys

    def execute(self, op: base.Op[T]) -> T:
        answer: T = self._memory.apply(op, self._keys)
        wait = streams.blocking_time(op) / 1000
        if answer or not wait:
            return answer
        changed = threading.Event()
        end = time.monotonic() + wait
        with self._memory.listening(changed.set):
            answer = self._memory.apply(op, self._keys)
            while not answer and changed.wait(max(end - time.monotonic(), 0.0)):
                changed.clear()
                answer = self._memory.apply(op, self._keys)
        return answer

    def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        return [self.execute(op) for op in ops]

    def close(self) -> None:
        pass


_APPENDING = frozenset(
    {base.Submit, base.HandOff, base.Finish, base.Recompute, base.Bury, base.Release}
)

_APPLIERS: dict[type[base.Op[Any]], Callable[[Any, Keys, Store], Any]] = {
    base.Submit: memory_moves.submit,
    base.Read: memory_upkeep.read,
    base.HandOff: memory_moves.hand_off,
    base.Finish: memory_moves.finish,
    base.Recompute: memory_moves.recompute,
    base.Bury: memory_moves.bury,
    base.Release: memory_moves.release,
    base.Renew: memory_upkeep.renew,
    base.Claim: memory_upkeep.claim,
    base.Cancel: memory_upkeep.cancel,
    base.Abandoned: memory_upkeep.abandoned,
    base.Live: memory_upkeep.live,
    base.Fetch: memory_upkeep.fetch,
    base.Beat: memory_upkeep.beat,
    base.CloseMailbox: memory_upkeep.close_mailbox,
    base.ReadReplies: memory_upkeep.read_replies,
    base.TrimReplies: memory_upkeep.trim_replies,
    housekeeping.EnsureGroups: memory_upkeep.ensure_groups,
    housekeeping.Forget: memory_upkeep.forget,
    housekeeping.Retire: memory_upkeep.retire,
    housekeeping.Acquire: memory_upkeep.acquire,
    housekeeping.Surrender: memory_upkeep.surrender,
    housekeeping.Survey: memory_upkeep.survey,
    letters.Letters: memory_letters.letters_after,
    letters.Find: memory_letters.find,
    letters.Picture: memory_letters.picture,
    letters.Attach: memory_letters.attach,
    letters.Discard: memory_letters.discard,
}
