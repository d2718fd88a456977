"""A place for one request in flight: it opens connections, and holds requests to deadlines."""

import asyncio
import functools
import ssl
from collections.abc import Callable

from parallax.aio import tasks
from parallax.bench import connection, targets


class Lane:
    """Sends one request after the other; ``done`` is called once for each."""

    def __init__(
        self,
        address: targets.Address,
        crew: tasks.Crew,
        done: Callable[["Lane", str, bytes], None],
    ) -> None:
        self.picture = 0
        """Index of the picture that is under way."""
        self.start = 0.0
        """Moment (monotonic) from which the latency of the request is counted."""
        self._address = address
        self._crew = crew
        self._done = done
        self._connection: connection.Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def send(self, request: bytes, patience: float) -> None:
        """Send a request, which must be answered within ``patience`` seconds."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, patience), self._end, connection.TIMEOUT)
        if self._connection is not None and self._connection.usable:
            self._connection.send(request)
            return
        self.drop()
        self._opening = self._crew.background(self._open(request), "open a connection")

    def drop(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.drop()
            self._connection = None
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    async def _open(self, request: bytes) -> None:
        at, loop = self._address, asyncio.get_running_loop()
        try:
            _, opened = await loop.create_connection(
                lambda: connection.Connection(self._end),
                at.host,
                at.port,
                ssl=_trust() if at.tls else None,
            )
        except OSError as problem:  # refused, unknown host, TLS
            self._opening = None
            self._end(connection.CONNECTION, str(problem).encode())
            return
        self._opening = None
        self._connection = opened
        if opened.usable:
            opened.send(request)
        else:  # closed by the server before anything was sent
            self._end(connection.CONNECTION)

    def _end(self, outcome: str, body: bytes = b"") -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        if not outcome.isdigit():
            self.drop()
        self._done(self, outcome, body)


@functools.cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads all certificates of the system
