"""One accepted connection, from its first byte to its end.

Hypercorn's ``TCPServer`` is the base. Differences: HTTP/1.1 only; no task per connection that waits
for it to become idle (one sweep looks at all of them); a connection is closed so that the client
can read the last answer even when it is still sending.
"""

import asyncio
import contextlib
import logging

from hypercorn import events, utils
from hypercorn.asyncio import task_group, tcp_server

from parallax.gateway.edge import exchange, framing, inlet, patience, shared

log = logging.getLogger(__name__)


class Connection(tcp_server.TCPServer):
    """Reads requests and writes answers until either side closes."""

    def __init__(
        self,
        common: shared.Shared,
        reader: inlet.Inlet,
        writer: asyncio.StreamWriter,
        *,
        crowded: bool,
    ) -> None:
        super().__init__(common.app, common.loop, common.config, common.context, {}, reader, writer)
        self._common = common
        self._inlet = reader
        self.watch = patience.Watch(common.loop.time(), crowded=crowded)
        self.exchange: exchange.Exchange
        self._task = asyncio.current_task()

    async def run(self) -> None:
        """Converse to the end."""
        try:
            async with task_group.TaskGroup(self.loop) as group:
                self.exchange = exchange.Exchange(
                    self._common,
                    self.watch,
                    group,
                    self._peer(),
                    exchange.Way(self.protocol_send, self._inlet.skip),
                )
                await self._read_data()
        except Exception:
            log.exception("a connection failed")
        finally:
            await self._close()

    async def protocol_send(self, event: events.Event) -> None:
        """Carry out what the exchange wants of the connection."""
        if isinstance(event, events.RawData):
            await self._write(event.data)
        elif isinstance(event, events.Closed):
            self._finish()
        elif isinstance(event, events.Updated) and event.idle:
            self._enter(patience.Phase.IDLE)

    def sweep(self, now: float) -> None:
        """End the connection if its time is over."""
        unsent = self.writer.transport.get_write_buffer_size()
        verdict = self.watch.judge(self._common.options.rules, now, unsent, self._common.draining)
        if verdict is patience.Verdict.CLOSE:
            self.make_room()
        elif verdict is patience.Verdict.TIMEOUT:
            self._say_timeout()
        elif verdict is patience.Verdict.ABORT:
            self.abort()

    def make_room(self) -> None:
        """Close the connection, which must be idle."""
        self._enter(patience.Phase.CLOSING)
        self.writer.close()

    def abort(self) -> None:
        """Drop the connection; who works for it is told that the client is gone."""
        self.writer.transport.abort()
        if self.watch.phase is patience.Phase.CLOSING and self._task is not None:
            # It may wait for room in the queue of a handler that no longer reads.
            self._task.cancel()

    def _peer(self) -> exchange.Peer:
        family = self.writer.get_extra_info("socket").family

        def address(end: str) -> exchange.Address:
            found = self.writer.get_extra_info(end)  # None: gone already
            return found and utils.parse_socket_addr(family, found)

        tls = self.writer.get_extra_info("ssl_object") is not None
        return exchange.Peer(address("peername"), address("sockname"), tls)

    async def _read_data(self) -> None:
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(inlet.LIMIT)
            except OSError:
                break
            if self.watch.phase is not patience.Phase.CLOSING:
                await self.exchange.handle(events.RawData(data))
        await self.exchange.handle(events.Closed())

    async def _write(self, data: bytes) -> None:
        if self.watch.phase is patience.Phase.CLOSING:
            return  # an answer to what has been refused meanwhile
        async with self.send_lock:
            self.watch.written += len(data)
            try:
                self.writer.write(data)
                await self.writer.drain()
            except (OSError, RuntimeError):
                await self.exchange.handle(events.Closed())

    def _say_timeout(self) -> None:
        self._enter(patience.Phase.CLOSING)
        answer = framing.refusal(framing.TIMEOUT)
        self.watch.written += len(answer)
        self.writer.write(answer)
        self._half_close()

    def _finish(self) -> None:
        """Close after the last answer: at once, or after the client has had time to read it."""
        if self.watch.phase is patience.Phase.CLOSING:
            return
        self._enter(patience.Phase.CLOSING)
        if self.exchange.read_whole:
            self.writer.close()
        else:
            self._half_close()

    def _half_close(self) -> None:
        with contextlib.suppress(NotImplementedError, OSError, RuntimeError):
            self.writer.write_eof()  # TLS has no such thing

    def _enter(self, phase: patience.Phase) -> None:
        self.watch.enter(phase, self.loop.time())
        if phase is patience.Phase.CLOSING:
            self._inlet.close()

    async def _close(self) -> None:
        self._enter(patience.Phase.CLOSING)
        with contextlib.suppress(OSError, RuntimeError, asyncio.CancelledError):
            self.writer.close()
            await self.writer.wait_closed()
