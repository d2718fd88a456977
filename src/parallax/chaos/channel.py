"""One client's connection: a request at a time, answers watched for what nobody asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

from parallax.bench import connection, targets
from parallax.chaos.asking import Answer

Use = Callable[["Channel"], Awaitable[None]]


class _Watched(connection.Connection):
    """Notices an answer that begins while none is due, and the header that says when to retry."""

    def __init__(self, ended: connection.Ended, surplus: Callable[[], None]) -> None:
        super().__init__(ended)
        self.retry_after = False
        self._surplus = surplus

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self.retry_after = False
        if not self.busy:
            self._surplus()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self.retry_after = self.retry_after or name.lower() == b"retry-after"


class Channel:
    """Opens connections as they are needed; ``surplus`` is called for an answer to nothing."""

    def __init__(self, address: targets.Address, surplus: Callable[[], None]) -> None:
        self.opened = 0.0
        """Moment (monotonic) when the connection of the last exchange was made; 0: it never was."""
        self.port = 0
        """Our port of it."""
        self._address = address
        self._surplus = surplus
        self._connection: _Watched | None = None
        self._answer: asyncio.Future[Answer] | None = None

    async def exchange(
        self, request: bytes, patience: float, haste: float | None = None
    ) -> Answer | None:
        """Send a request and return its answer; None if the client hung up after ``haste`` seconds.

        What goes wrong is an answer too, of a kind of ``bench.connection``.
        """
        self._answer = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(patience if haste is None else haste):
                way = await self._open()
                way.send(request)
                answer = await self._answer
        except TimeoutError:
            self.close()
            return Answer(connection.TIMEOUT) if haste is None else None
        except OSError as problem:  # refused
            self.close()
            return Answer(connection.CONNECTION, str(problem).encode())
        if not answer.outcome.isdigit():
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    async def _open(self) -> _Watched:
        if self._connection is not None and self._connection.usable:
            return self._connection
        self.close()
        self.opened, self.port = 0.0, 0
        transport, protocol = await asyncio.get_running_loop().create_connection(
            lambda: _Watched(self._ended, self._unasked),
            self._address.host,
            self._address.port,
            ssl=self._address.tls or None,
        )
        self.opened = time.monotonic()
        self.port = cast(int, transport.get_extra_info("sockname")[1])
        self._connection = protocol
        if not protocol.usable:
            raise ConnectionResetError("closed at once")
        return protocol

    def _ended(self, outcome: str, body: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            retry_after = self._connection is not None and self._connection.retry_after
            self._answer.set_result(Answer(outcome, body, retry_after))

    def _unasked(self) -> None:
        self._surplus()
        if self._connection is not None:
            self._connection.drop()
