"""Makes single connections to a real server from its URL."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis import backoff, connection, exceptions, retry, sentinel
from redis.asyncio import connection as async_connection
from redis.asyncio import retry as async_retry
from redis.asyncio import sentinel as async_sentinel

from parallax.broker import encode, urls
from parallax.broker.async_link import AsyncLink
from parallax.broker.blocking_link import READ_SIZE, BlockingLink
from parallax.broker.link_rules import CONNECT_TIMEOUT, REPLY_TIMEOUT
from parallax.contract import errors


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
        kind = _usable(options.pop("connection_class", connection.Connection), options, url)
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
        kind = _usable(options.pop("connection_class", async_connection.Connection), options, url)
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
    try:
        options = {**parse_url(url), **fixed}
    except ValueError as problem:
        raise _unusable(url, problem) from problem
    for unfit in ("max_connections", "timeout", "retry_on_timeout", "retry_on_error"):
        options.pop(unfit, None)
    if not url.startswith("unix:"):
        options["socket_keepalive"] = True
    return options


def _usable(kind: Callable[..., Any], options: dict[str, Any], url: str) -> Callable[..., Any]:
    """Return the kind of connection if it takes the options, which a URL may give any."""
    try:
        kind(**options)
    except (TypeError, ValueError, exceptions.RedisError) as problem:
        raise _unusable(url, problem) from problem
    return kind


def _unusable(url: str, problem: Exception) -> errors.SettingsError:
    return errors.SettingsError(f"redis-url {urls.public(url)!r}: {problem}")


def _sentinel_options(hosts: urls.SentinelAddress) -> dict[str, Any]:
    return {
        "password": hosts.sentinel_password,
        "socket_timeout": CONNECT_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
    }
