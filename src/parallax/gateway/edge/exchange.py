"""HTTP/1.1 on one connection: hypercorn's, without what this server does not speak, and strict.

Switched off: HTTP/2 by prior knowledge and by ``Upgrade``, and websockets; such requests are
answered as HTTP/1.1 or refused. Added: the checks of ``framing``, ``Connection: close`` while the
server drains, and refusals that cost no task, stream or middleware.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import h11
from hypercorn import events as transport
from hypercorn import typing as hypercorn_typing
from hypercorn.asyncio import task_group
from hypercorn.protocol import events, http_stream
from hypercorn.protocol import h11 as base

from parallax.gateway.edge import framing, patience, shared

LONGEST_SKIPPED = 16 << 20
"""Bytes of a refused body that are read so that the connection can be kept."""

_READ = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
Address = tuple[str, int] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """Who is connected with whom, and how."""

    client: Address
    server: Address
    tls: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """What an exchange can do with its connection."""

    send: Callable[[transport.Event], Awaitable[None]]
    skip: Callable[[int, Callable[[], None]], None]
    """See ``inlet.Inlet.skip``."""


class Exchange(base.H11Protocol):
    """One request after the other; the answers leave in the order of the requests."""

    def __init__(
        self,
        common: shared.Shared,
        watch: patience.Watch,
        group: task_group.TaskGroup,
        peer: Peer,
        way: Way,
    ) -> None:
        super().__init__(
            common.app,
            common.config,
            common.context,
            group,
            hypercorn_typing.ConnectionState({}),
            peer.tls,
            peer.client,
            peer.server,
            way.send,
        )
        self.connection: h11.Connection
        self._common = common
        self._watch = watch
        self._at_border = False
        """Whether the next thing in the parser is the line before a chunk."""
        self._skip = way.skip

    @property
    def read_whole(self) -> bool:
        """Whether the client has sent all of its request and nothing after it."""
        return self.connection.their_state in _READ and not self.connection.trailing_data[0]

    async def refuse(self, status: int) -> None:
        """Answer what is no request, if it can still be answered, and close."""
        if self.connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self.send(transport.RawData(framing.refusal(status)))
        await self.send(transport.Closed())
        await self._close_stream()

    async def stream_send(self, event: events.Event) -> None:
        """Send a part of an answer."""
        if isinstance(event, events.Response) and self._is_last():
            kept = [pair for pair in event.headers if pair[0] != b"connection"]
            event = dataclasses.replace(event, headers=[*kept, (b"connection", b"close")])
        await super().stream_send(event)

    async def _handle_events(self) -> None:
        while await self._step():
            pass

    async def _step(self) -> bool:
        """Handle the next event of the parser; return whether there may be another."""
        parser = self.connection
        if parser.they_are_waiting_for_100_continue:
            own = self.config.response_headers("h11")
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=own))
        if not await self._may_be_parsed():
            return False
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as problem:
            await self.refuse(problem.error_status_hint)
            return False
        if isinstance(event, h11.Request):
            return await self._begin(event)
        return await self._go_on(event)

    async def _may_be_parsed(self) -> bool:
        """Look at what the parser would be too lenient with."""
        state = self.connection.their_state
        status = None
        if state is h11.IDLE:
            received = self.connection.trailing_data[0]
            if received:
                self._enter(patience.Phase.HEADERS)
                status = framing.objection_to_head(received, self.config.h11_max_incomplete_size)
        elif self._at_border and state is h11.SEND_BODY:
            whole = framing.last_chunk_is_whole(self.connection.trailing_data[0])
            if whole is None:
                return False
            status = None if whole else framing.BAD_REQUEST
        if status is not None:
            await self.refuse(status)
        return status is None

    async def _go_on(self, event: object) -> bool:
        if event is h11.PAUSED:
            # The next request has come before this one is answered.
            await self.can_read.clear()
            await self.can_read.wait()
        elif isinstance(event, h11.Data) and self.stream is not None:
            self._at_border = event.chunk_end
            await self.stream.handle(events.Body(base.STREAM_ID, bytes(event.data)))
        elif isinstance(event, h11.EndOfMessage) and self.stream is not None:
            await self.stream.handle(events.EndBody(base.STREAM_ID))
        else:
            return False
        return True

    async def _begin(self, request: h11.Request) -> bool:
        headers = list(request.headers)
        status = framing.objection_to_request(request.http_version, headers)
        if status is None and self._watch.crowded:
            path = request.target.partition(b"?")[0]
            status = None if path in self._common.options.vital else framing.CROWDED
        if status is not None:
            await self.refuse(status)
            return False
        refuse = self._common.options.refuse
        answer = refuse and refuse(request.method, request.target, headers)
        if answer:
            return await self._turn_down(request, answer)
        self._enter(patience.Phase.BUSY)
        await self._open_stream(request, headers)
        return True

    async def _open_stream(self, request: h11.Request, headers: list[tuple[bytes, bytes]]) -> None:
        self._at_border = any(name == b"transfer-encoding" for name, _ in headers)
        self.stream = http_stream.HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            base.STREAM_ID,
        )
        await self.stream.handle(
            events.Request(
                stream_id=base.STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    async def _turn_down(self, request: h11.Request, answer: bytes) -> bool:
        """Write an answer at once; go on behind the body if it is short and its end is known."""
        length = _known_length(request)
        parser = self.connection
        expected = parser.they_are_waiting_for_100_continue  # the body may come or not
        if length is None or expected or length > LONGEST_SKIPPED or self._is_last():
            await self.send(transport.RawData(framing.closing(answer)))
            await self.send(transport.Closed())
            return False
        received = parser.trailing_data[0]
        self.connection = h11.Connection(
            h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size
        )
        if len(received) < length:
            self._enter(patience.Phase.SKIPPING)
            self._skip(length - len(received), self._rest)
        else:
            self._rest()
        await self.send(transport.RawData(answer))
        if len(received) <= length:
            return False
        self.connection.receive_data(received[length:])
        await asyncio.sleep(0)  # nothing else here waits, and thousands may have come at once
        return True

    def _rest(self) -> None:
        self._enter(patience.Phase.IDLE)

    def _is_last(self) -> bool:
        """Whether an answer that begins now closes the connection."""
        if self._watch.crowded:
            return True
        if self._common.draining is None:
            return False
        # The next request has come already, and it would be lost.
        pipelined = self.connection.their_state is h11.DONE and self.connection.trailing_data[0]
        return not pipelined

    def _enter(self, phase: patience.Phase) -> None:
        self._watch.enter(phase, self._common.loop.time())


def _known_length(request: h11.Request) -> int | None:
    """Return how long the body of a request is, None if only its end tells, or the connection ends
    with it."""
    length = 0
    for name, value in request.headers:
        if name == b"transfer-encoding" or (name == b"connection" and b"close" in value.lower()):
            return None
        if name == b"content-length":
            length = int(value)
    return length if request.http_version == b"1.1" else None
