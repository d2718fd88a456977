"""One connection for asyncio. The rules of all links stand in ``link_rules``."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis import exceptions

from parallax.broker import decode, link_rules, replies
from parallax.broker.link_rules import BrokenLinkError


class _Receiver(asyncio.Protocol):
    """The receiving end of a connection that is made; one exchange at a time."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._replies = replies.Replies()
        self._wanted = 0
        self._waiting: asyncio.Future[list[decode.Reply]] | None = None
        self._aborted = False

    def exchange(self, payload: bytes, count: int) -> asyncio.Future[list[decode.Reply]]:
        """Send commands; the future gets their replies."""
        self._wanted = count
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(payload)
        return self._waiting

    @property
    def fit(self) -> bool:
        """Whether it may be used: it is open, and nothing came that nobody had asked for."""
        return not (self._aborted or self._transport.is_closing())

    @property
    def demoted(self) -> bool:
        """Whether the server has refused to write."""
        return self._replies.demoted

    def abort(self, problem: Exception | None = None) -> None:
        """Close at once, without sending what is left; whoever waits for replies gets the
        problem."""
        self._aborted = True
        waiting, self._waiting = self._waiting, None
        self._transport.abort()
        if waiting is not None and not waiting.done():
            waiting.set_exception(problem or ConnectionAbortedError("the link was closed"))

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        waiting = self._waiting
        if waiting is None:
            self.abort()
            return
        try:
            complete = self._replies.feed(data, len(data), self._wanted)
        except replies.ProtocolError as problem:
            self.abort(problem)
            return
        if complete:
            self._waiting = None
            if not waiting.done():
                waiting.set_result(self._replies.take())

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self.abort(exc or ConnectionResetError("the broker closed the connection"))


class AsyncLink:
    """A connection for one task at a time; ``guides`` are the sentinels' clients that find its
    server.

    redis-py makes the connection (TLS, login, Sentinel), then its transport is used directly.
    """

    def __init__(self, connection: Any, guides: Sequence[Any] = ()) -> None:
        self._connection = connection
        self._guides = guides
        self._receiver: _Receiver | None = None
        self._used = 0.0

    async def round_trip(self, payload: bytes, count: int, wait: float) -> list[decode.Reply]:
        """Send commands and return their replies; ``wait`` is how long the server may hold them.

        A caller that is cancelled meanwhile leaves a closed link behind, never a dirty one.

        Raises:
            BrokenLinkError: not connected, cut off, or silent for too long.
        """
        receiver = await self._ready()
        intact = False
        coming = receiver.exchange(payload, count)
        late = coming.get_loop().call_later(wait + link_rules.REPLY_TIMEOUT, _give_up, coming)
        try:
            found = await coming
            intact = not receiver.demoted
        except TimeoutError as problem:
            raise BrokenLinkError("the broker does not answer", lost=False) from problem
        except (OSError, replies.ProtocolError) as problem:
            raise BrokenLinkError(str(problem), lost=True) from problem
        finally:
            late.cancel()
            if not intact:
                await self._drop()
        self._used = time.monotonic()
        return found

    async def close(self) -> None:
        """Close the connection; the next use opens it again."""
        await self._drop()
        for guide in self._guides:
            await guide.aclose()

    async def _ready(self) -> _Receiver:
        receiver = self._receiver
        if receiver is not None and receiver.fit and await self._answers(receiver):
            return receiver
        await self._drop()
        try:
            async with asyncio.timeout(link_rules.CONNECT_TIMEOUT):
                await self._connection.connect()
        except TimeoutError as problem:
            await self._drop()
            raise BrokenLinkError("the broker does not accept connections", lost=False) from problem
        except (exceptions.RedisError, OSError) as problem:
            await self._drop()
            raise BrokenLinkError(str(problem), lost=False) from problem
        except BaseException:
            await self._drop()
            raise
        transport = self._connection._writer.transport
        receiver = self._receiver = _Receiver(transport)
        transport.set_protocol(receiver)
        if not receiver.fit:
            await self._drop()
            raise BrokenLinkError("the broker closed the connection at once", lost=False)
        return receiver

    async def _answers(self, receiver: _Receiver) -> bool:
        if time.monotonic() - self._used <= link_rules.IDLE_CHECK:
            return True
        intact = False
        try:
            async with asyncio.timeout(link_rules.REPLY_TIMEOUT):
                intact = await receiver.exchange(link_rules.PING, 1) == [b"PONG"]
        except (OSError, replies.ProtocolError):
            pass
        finally:
            if not intact:  # also when the caller was cancelled: the reply may still come
                await self._drop()
        return intact

    async def _drop(self) -> None:
        if self._receiver is not None:
            self._receiver.abort()
            self._receiver = None
        await self._connection.disconnect(nowait=True)


def _give_up(coming: asyncio.Future[list[decode.Reply]]) -> None:
    if not coming.done():
        coming.set_exception(TimeoutError())
