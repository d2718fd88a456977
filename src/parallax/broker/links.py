"""Single connections to a real server: the only place, with ``server``, that knows redis-py.

redis-py provides sockets, TLS, login, Sentinel and parsing. Its command layer is left out on
purpose: it retries writes whose answer got lost (an XADD would then run twice), its pool hands a
connection on with a cancelled reader's reply still in it, and its default socket timeout of 5 s
cuts longer blocking reads.

Rules kept here instead: a link serves one caller at a time; it is looked at before it is used, so
that a connection that died while idle costs a reconnect and not an error; and whenever anything
goes wrong between the first byte out and the last reply in, it is closed, because what it would
deliver next belongs to nobody.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis import backoff, connection, exceptions, retry, sentinel
from redis.asyncio import connection as async_connection
from redis.asyncio import retry as async_retry
from redis.asyncio import sentinel as async_sentinel

from parallax.broker import decode, encode, urls

CONNECT_TIMEOUT = 5.0
REPLY_TIMEOUT = 5.0
"""Seconds for a round trip, on top of what a blocking read waits."""
IDLE_CHECK = 15.0
"""After so many seconds without use a link is pinged first: a firewall may have dropped it
silently."""
READ_SIZE = 1 << 17

_CODES: dict[type[exceptions.RedisError], str] = {
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.NoPermissionError: "NOPERM",
}

_PING = b"*1\r\n$4\r\nPING\r\n"


class BrokenLinkError(Exception):
    """A link failed. ``lost`` tells whether it had worked before and bytes may have reached the
    server."""

    def __init__(self, reason: str, *, lost: bool) -> None:
        super().__init__(reason)
        self.lost = lost


class BlockingLink:
    """A connection for one thread; ``guides`` are the sentinels' clients that find its server."""

    def __init__(self, connection: Any, guides: Sequence[Any] = ()) -> None:
        self._connection = connection
        self._guides = guides
        self._used = 0.0

    def round_trip(self, payload: bytes, count: int, wait: float) -> list[decode.Reply]:
        """Send commands and return their replies; ``wait`` is how long the server may hold them.

        Raises:
            BrokenLinkError: not connected, cut off, or silent for too long.
        """
        self._make_ready()
        timeout = {"timeout": wait + REPLY_TIMEOUT} if wait else {}
        intact = False
        try:
            self._connection.send_packed_command([payload], check_health=False)
            replies = [self._reply(timeout) for _ in range(count)]
            intact = True
        except exceptions.TimeoutError as problem:
            raise BrokenLinkError(str(problem), lost=False) from problem
        except (exceptions.RedisError, OSError) as problem:
            raise BrokenLinkError(str(problem), lost=True) from problem
        finally:
            if not intact:
                self.close()
        self._used = time.monotonic()
        return replies

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._connection.disconnect()
        for guide in self._guides:
            guide.close()

    def _reply(self, timeout: dict[str, float]) -> decode.Reply:
        try:
            return self._connection.read_response(**timeout)
        except exceptions.ResponseError as problem:
            return _refusal(problem)

    def _make_ready(self) -> None:
        if self._connection.is_connected and not self._is_alive():
            self.close()
        try:
            self._connection.connect()
        except (exceptions.RedisError, OSError) as problem:
            self.close()
            raise BrokenLinkError(str(problem), lost=False) from problem

    def _is_alive(self) -> bool:
        """Nothing may lie in the socket now: if something does, it is the end or an alien reply."""
        try:
            if self._connection.can_read(0):
                return False
            if time.monotonic() - self._used > IDLE_CHECK:
                self._connection.send_packed_command([_PING], check_health=False)
                return bool(self._connection.read_response() == b"PONG")
        except (exceptions.RedisError, OSError):
            return False
        return True


class AsyncLink:
    """A connection for one task at a time; ``guides`` as above."""

    def __init__(self, connection: Any, guides: Sequence[Any] = ()) -> None:
        self._connection = connection
        self._guides = guides
        self._used = 0.0

    async def round_trip(self, payload: bytes, count: int, wait: float) -> list[decode.Reply]:
        """Send commands and return their replies; ``wait`` is how long the server may hold them.

        A caller that is cancelled meanwhile leaves a closed link behind, never a dirty one.

        Raises:
            BrokenLinkError: not connected, cut off, or silent for too long.
        """
        await self._make_ready()
        intact = False
        try:
            async with asyncio.timeout(wait + REPLY_TIMEOUT):
                await self._connection.send_packed_command(payload, check_health=False)
                replies = [await self._reply() for _ in range(count)]
            intact = True
        except TimeoutError as problem:
            raise BrokenLinkError("the broker does not answer", lost=False) from problem
        except (exceptions.RedisError, OSError) as problem:
            raise BrokenLinkError(str(problem), lost=True) from problem
        finally:
            if not intact:
                await self._connection.disconnect(nowait=True)
        self._used = time.monotonic()
        return replies

    async def close(self) -> None:
        """Close the connection; the next use opens it again."""
        await self._connection.disconnect()
        for guide in self._guides:
            await guide.aclose()

    async def _reply(self) -> decode.Reply:
        try:
            return await self._connection.read_response()
        except exceptions.ResponseError as problem:
            return _refusal(problem)

    async def _make_ready(self) -> None:
        intact = self._connection.is_connected and await self._is_alive()
        if intact:
            return
        await self._connection.disconnect(nowait=True)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connection.connect()
            intact = True
        except TimeoutError as problem:
            raise BrokenLinkError("the broker does not accept connections", lost=False) from problem
        except (exceptions.RedisError, OSError) as problem:
            raise BrokenLinkError(str(problem), lost=False) from problem
        finally:
            if not intact:
                await self._connection.disconnect(nowait=True)

    async def _is_alive(self) -> bool:
        try:
            if await self._connection.can_read():
                return False
            if time.monotonic() - self._used > IDLE_CHECK:
                async with asyncio.timeout(REPLY_TIMEOUT):
                    await self._connection.send_packed_command(_PING, check_health=False)
                    return bool(await self._connection.read_response() == b"PONG")
        except (exceptions.RedisError, OSError):
            return False
        return True


def packed(commands: Sequence[encode.Command]) -> bytes:
    """Return the commands as bytes of the protocol."""
    # Its stub says a tuple of one argument, which no command is.
    pack = cast("Callable[[encode.Command], bytes]", hiredis.pack_command)
    if len(commands) == 1:
        return pack(commands[0])
    return b"".join([pack(command) for command in commands])


def blocking_links(url: str) -> Callable[[], BlockingLink]:
    """Return what makes connections to the URL for threads."""
    options = {
        **_options(connection.parse_url, url),
        "socket_timeout": REPLY_TIMEOUT,
        "retry": retry.Retry(backoff.NoBackoff(), 0),
    }
    if not urls.is_sentinel(url):
        kind = options.pop("connection_class", connection.Connection)
        return lambda: BlockingLink(kind(**options))
    hosts = urls.sentinel(url)
    classes: Any = sentinel  # redis-py leaves these untyped
    manager = classes.Sentinel(list(hosts.hosts), sentinel_kwargs=_sentinel_options(hosts))
    pool = classes.SentinelConnectionPool(hosts.service, manager, **options)
    return lambda: BlockingLink(pool.make_connection(), manager.sentinels)


def async_links(url: str) -> Callable[[], AsyncLink]:
    """Return what makes connections to the URL for asyncio. Deadlines are the link's own."""
    options = {
        **_options(async_connection.parse_url, url),
        "socket_timeout": None,
        "retry": async_retry.Retry(backoff.NoBackoff(), 0),
    }
    if not urls.is_sentinel(url):
        kind = options.pop("connection_class", async_connection.Connection)
        return lambda: AsyncLink(kind(**options))
    hosts = urls.sentinel(url)
    classes: Any = async_sentinel  # redis-py leaves these untyped
    manager = classes.Sentinel(list(hosts.hosts), sentinel_kwargs=_sentinel_options(hosts))
    pool = classes.SentinelConnectionPool(hosts.service, manager, **options)
    return lambda: AsyncLink(pool.make_connection(), manager.sentinels)


def _options(parse_url: Callable[[str], Any], url: str) -> dict[str, Any]:
    """Keyword arguments of a connection. RESP2, because its replies are plain lists."""
    fixed = {
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_read_size": READ_SIZE,
        "driver_info": None,
    }
    if urls.is_sentinel(url):
        hosts = urls.sentinel(url)
        login = {"db": hosts.db, "username": hosts.username, "password": hosts.password}
        return {**login, **fixed, "socket_keepalive": True}
    options = {**parse_url(url), **fixed}
    for unfit in ("max_connections", "timeout", "retry_on_timeout", "retry_on_error"):
        options.pop(unfit, None)
    if not url.startswith("unix:"):
        options["socket_keepalive"] = True
    return options


def _sentinel_options(hosts: urls.SentinelAddress) -> dict[str, Any]:
    return {
        "password": hosts.sentinel_password,
        "socket_timeout": CONNECT_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
    }


def _refusal(problem: exceptions.ResponseError) -> decode.Refusal:
    text = str(problem)
    return decode.Refusal(_CODES.get(type(problem)) or text.partition(" ")[0], text)
