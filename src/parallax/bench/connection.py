"""One HTTP/1.1 connection that is reused, with one request in flight at most.

A load generator shares the cores with what it measures, so there is nothing here that it does not
need: requests are bytes made beforehand, and answers are parsed by the C parser of ``httptools``.
"""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import httptools

TIMEOUT, CONNECTION, MALFORMED = "timeout", "connection", "malformed"
"""Kinds of failures that are no status."""

Ended = Callable[[str, bytes], None]
"""Gets the status as text with the body, or a kind of failure with what is known of its cause."""

_IDLE = 2.0
"""Seconds after which an idle connection is not used again: servers close idle connections (5 s is
common), and a request that meets the closing half way would count as their failure."""


class Connection(asyncio.Protocol):
    """Sends bytes and tells ``ended`` what the answer was, once for each ``send``."""

    def __init__(self, ended: Ended) -> None:
        self._ended: Ended | None = ended
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._busy = False
        self._idle_since = time.monotonic()

    @property
    def usable(self) -> bool:
        """Whether a request may be sent."""
        return (
            self._transport is not None
            and not self._busy
            and not self._transport.is_closing()
            and time.monotonic() - self._idle_since < _IDLE
        )

    @property
    def busy(self) -> bool:
        """Whether an answer is due."""
        return self._busy

    def send(self, request: bytes) -> None:
        """Send a request; the connection must be usable."""
        assert self._transport is not None
        self._busy = True
        self._transport.write(request)

    def drop(self) -> None:
        """Close at once, and tell nobody anything any more."""
        self._ended = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        if self._ended is None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._end(CONNECTION)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end(MALFORMED)
            self.drop()

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """Called by the parser; also for 100, which only announces the answer."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._idle_since = time.monotonic()
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        self._end(str(status), body)

    def _end(self, outcome: str, body: bytes = b"") -> None:
        if self._busy and self._ended is not None:
            self._busy = False
            self._ended(outcome, body)
