"""The HTTP server of an api process, on sockets that somebody else has bound.

Hypercorn is the HTTP implementation; accepting, deadlines and the end are ours (``gateway.edge``).
What is known of hypercorn 0.18 and made that necessary: on its way to the end it closes idle
keep-alive connections at once, so that a client which has just written its next request gets a
reset; it bounds neither the number of connections nor the time of a client that does not read; it
switches to HTTP/2 and websockets whenever a client wants that; a client that is still sending when
its connection is closed may never see the answer.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from hypercorn import app_wrappers, config
from starlette import types

from parallax.gateway.edge import server, shared, tls
from parallax.settings import concerns

log = logging.getLogger(__name__)

LONGEST_HEADERS = 32 * 1024
"""Bytes of request line and headers that are read before the request is refused."""
REQUESTS_PER_CONNECTION = 1_000_000_000
FAREWELL = 1.0
"""Seconds for the errors that answer what was still in flight at the drain deadline."""


def options(
    http: concerns.HttpSettings,
    refuse: shared.Refuse | None = None,
    spare: tls.Pem | None = None,
) -> shared.Options:
    """Return what the settings say about connections; ``refuse`` may turn requests down.

    The ``spare`` certificate is used while the files cannot be.

    Raises:
        SettingsError: the certificate cannot be used, and there is no other.
    """
    given = tls.files(http)
    return shared.Options(
        max_connections=http.max_connections,
        refuse=refuse,
        tls=None if given is None else tls.Certificates(given, spare=spare).current,
    )


async def serve(
    app: types.ASGIApp,
    sockets: Sequence[int],
    draining: asyncio.Event,
    drain_timeout: float,
    on_deadline: Callable[[], None] | None = None,
    options: shared.Options | None = None,
) -> None:
    """Serve on inherited listening sockets until ``draining``, then finish what is in flight.

    The descriptors belong to this call: they are closed when draining has begun and all that had
    connected by then is accepted. An answer sent while draining closes its connection. One that is
    idle is closed after a moment of silence (``patience.Rules.drain``), because a client may just
    be writing its next request; one that writes at the very end of that moment gets a reset, which
    HTTP/1.1 cannot avoid (RFC 9112 section 9.5).

    If requests are still in flight after ``drain_timeout`` seconds, ``on_deadline`` may answer them
    with an error; after one more second the call returns, and the caller ends the process.
    """
    common = shared.Shared(
        app_wrappers.ASGIWrapper(app),  # type: ignore[arg-type]
        configure(),
        options or shared.Options(),
    )
    async with asyncio.TaskGroup() as group:
        serving = server.Server(common, sockets, group)
        sweeping = group.create_task(serving.sweep(), name="sweep connections")
        try:
            await draining.wait()
            await _drain(serving, drain_timeout, on_deadline)
        finally:
            serving.close()
            sweeping.cancel()


async def _drain(
    serving: server.Server, drain_timeout: float, on_deadline: Callable[[], None] | None
) -> None:
    ended = await serving.drain(drain_timeout)
    if not ended and on_deadline is not None:
        on_deadline()
        ended = await serving.ended(FAREWELL)
    if not ended and serving.abort():
        log.warning("connections are still open after %.1f s of draining", drain_timeout)


def configure() -> config.Config:
    """Return hypercorn's configuration."""
    made = config.Config()
    made.h11_max_incomplete_size = LONGEST_HEADERS
    made.keep_alive_max_requests = REQUESTS_PER_CONNECTION
    made.accesslog = None
    made.errorlog = logging.getLogger("hypercorn.error")
    made.include_server_header = False
    return made
