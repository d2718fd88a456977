"""The HTTP server of an api process: hypercorn on sockets that somebody else has bound.

Facts about hypercorn 0.18 that shape this file: without a trigger of ours it installs signal
handlers; ``fd://N`` takes the descriptor over and closes it when it stops listening; once it is
stopping it closes idle keep-alive connections at once and busy ones after their answer; from Python
3.12 on its own grace period does not hold, so the drain deadline is kept here.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import hypercorn.asyncio
import hypercorn.config
from starlette import types

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that may wait to be accepted; a burst beyond it is reset."""
KEEP_ALIVE = 75.0
"""Seconds that an idle connection, or one that never completes its headers, is kept."""
LONGEST_HEADERS = 32 * 1024
"""Bytes of request line and headers that are read before the request is refused."""
REQUESTS_PER_CONNECTION = 1_000_000_000
FAREWELL = 1.0
"""Seconds for the errors that answer what was still in flight at the drain deadline."""


async def serve(
    app: types.ASGIApp,
    sockets: Sequence[int],
    draining: asyncio.Event,
    drain_timeout: float,
    on_deadline: Callable[[], None] | None = None,
) -> None:
    """Serve on inherited listening sockets until ``draining``, then finish what is in flight.

    The descriptors belong to this call: they are closed as soon as draining starts. If requests are
    still in flight after ``drain_timeout`` seconds, ``on_deadline`` may answer them with an error;
    after one more second the call returns, and the caller ends the process.
    """
    config = configure(sockets, drain_timeout + 2 * FAREWELL)
    async with asyncio.TaskGroup() as group:
        server = group.create_task(
            hypercorn.asyncio.serve(
                Closing(app, draining),  # type: ignore[arg-type]
                config,
                shutdown_trigger=draining.wait,
                mode="asgi",
            ),
            name="hypercorn",
        )
        stopping = group.create_task(draining.wait(), name="drain-wait")
        await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not server.done():
            await _drain(server, drain_timeout, on_deadline)


async def _drain(
    server: asyncio.Task[None], drain_timeout: float, on_deadline: Callable[[], None] | None
) -> None:
    await asyncio.wait({server}, timeout=drain_timeout)
    if not server.done() and on_deadline is not None:
        on_deadline()
        await asyncio.wait({server}, timeout=FAREWELL)
    if not server.done():
        log.warning("connections are still open after %.1f s of draining", drain_timeout)
        server.cancel()


def configure(sockets: Sequence[int], graceful_timeout: float) -> hypercorn.config.Config:
    """Return hypercorn's configuration for listening on these descriptors."""
    config = hypercorn.config.Config()
    config.bind = [f"fd://{descriptor}" for descriptor in sockets]
    # Hypercorn listens again on the supervisor's socket, and its own backlog is a tenth of this.
    config.backlog = BACKLOG
    config.graceful_timeout = graceful_timeout
    config.keep_alive_timeout = KEEP_ALIVE
    config.keep_alive_max_requests = REQUESTS_PER_CONNECTION
    config.h11_max_incomplete_size = LONGEST_HEADERS
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    return config


async def _lifespan(receive: types.Receive, send: types.Send) -> None:
    # Nothing of ours hangs on it, and an application that is cancelled in it fails loudly.
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Closing:
    """Says ``Connection: close`` on every answer while draining, so that clients look elsewhere."""

    def __init__(self, app: types.ASGIApp, draining: asyncio.Event) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Pass one exchange through."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http" or not scope["http_version"].startswith("1"):
            await self._app(scope, receive, send)
            return

        async def closing(message: types.Message) -> None:
            if message["type"] == "http.response.start" and self._draining.is_set():
                kept = [pair for pair in message.get("headers", ()) if pair[0] != b"connection"]
                message["headers"] = [*kept, (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)
