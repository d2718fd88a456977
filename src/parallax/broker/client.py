"""The two clients of a real broker, for asyncio and for one thread.

They carry the batches of a ``streams.exchange`` over links and decide two things only: which link,
and whether a batch whose link broke may be sent again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from parallax.broker import base, decode, links, streams, urls
from parallax.broker.async_link import AsyncLink
from parallax.broker.blocking_link import BlockingLink
from parallax.broker.keys import Keys
from parallax.broker.link_rules import BrokenLinkError
from parallax.contract import errors

T = TypeVar("T")

MAX_LINKS = 32
"""Connections of one asyncio client for short operations; more callers than that wait in line."""
CLOSE_TIMEOUT = 2.0


def connect_async(url: str, keys: Keys) -> base.AsyncBroker:
    """Return a client for asyncio. Nothing is connected before the first operation.

    Raises:
        SettingsError: the URL has a form that cannot be connected to.
    """
    return _AsyncClient(links.async_links(urls.check(url)), keys)


def connect_blocking(url: str, keys: Keys) -> base.BlockingBroker:
    """Return a client for one thread. Nothing is connected before the first operation.

    Raises:
        SettingsError: the URL has a form that cannot be connected to.
    """
    return _BlockingClient(links.blocking_links(urls.check(url))(), keys)


class _BlockingClient:
    def __init__(self, link: BlockingLink, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    def execute(self, op: base.Op[T]) -> T:
        answer: T = self._run((op,))[0]
        return answer

    def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        return self._run(ops)

    def close(self) -> None:
        self._link.close()

    def _run(self, ops: Sequence[base.Op[Any]]) -> list[Any]:
        steps = streams.exchange(ops, self._keys)
        try:
            batch = next(steps)
            while True:
                batch = steps.send(self._carry(batch))
        except StopIteration as end:
            answers: list[Any] = end.value
            return answers

    def _carry(self, batch: streams.Batch) -> list[decode.Reply]:
        what = (links.packed(batch.commands), len(batch.commands), batch.block_ms / 1000)
        try:
            return self._link.round_trip(*what)
        except BrokenLinkError as broken:
            if not (broken.lost and batch.repeatable):
                _give_up(broken)
        try:
            return self._link.round_trip(*what)
        except BrokenLinkError as broken:
            _give_up(broken)


class _AsyncClient:
    def __init__(self, make: Callable[[], AsyncLink], keys: Keys) -> None:
        self._make = make
        self._keys = keys
        self._all: set[AsyncLink] = set()
        # Blocking reads have links of their own, so that they never make a short operation wait.
        self._idle: dict[bool, list[AsyncLink]] = {True: [], False: []}
        self._room = asyncio.Semaphore(MAX_LINKS)
        self._closed = False

    async def execute(self, op: base.Op[T]) -> T:
        answer: T = (await self._run((op,)))[0]
        return answer

    async def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        return await self._run(ops)

    async def aclose(self) -> None:
        """Close all links, also those in use: their callers get ``BrokerUnavailableError``."""
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await asyncio.gather(*(link.close() for link in self._all), return_exceptions=True)
        except TimeoutError:
            pass
        self._all.clear()

    async def _run(self, ops: Sequence[base.Op[Any]]) -> list[Any]:
        if any(streams.blocking_time(op) for op in ops):
            return await self._run_on(self._idle[True], ops)
        async with self._room:
            return await self._run_on(self._idle[False], ops)

    async def _run_on(self, idle: list[AsyncLink], ops: Sequence[base.Op[Any]]) -> list[Any]:
        if not self._is_open():
            raise errors.BrokerUnavailableError("the connection to the broker is closed")
        link = idle.pop() if idle else self._make()
        self._all.add(link)
        steps = streams.exchange(ops, self._keys)
        try:
            batch = next(steps)
            while True:
                batch = steps.send(await self._carry(link, batch))
        except StopIteration as end:
            answers: list[Any] = end.value
            return answers
        finally:
            idle.append(link)
            if not self._is_open():
                await link.close()

    def _is_open(self) -> bool:
        return not self._closed

    async def _carry(self, link: AsyncLink, batch: streams.Batch) -> list[decode.Reply]:
        what = (links.packed(batch.commands), len(batch.commands), batch.block_ms / 1000)
        try:
            return await link.round_trip(*what)
        except BrokenLinkError as broken:
            if not (broken.lost and batch.repeatable and self._is_open()):
                _give_up(broken)
        try:
            return await link.round_trip(*what)
        except BrokenLinkError as broken:
            _give_up(broken)


def _give_up(broken: BrokenLinkError) -> NoReturn:
    raise errors.BrokerUnavailableError(f"the broker cannot be reached: {broken}") from broken
