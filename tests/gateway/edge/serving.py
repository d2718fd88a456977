"""The real server on a loopback socket, over a rig or over any small application."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

from starlette import types

from parallax.contract import errors
from parallax.gateway import serve
from parallax.gateway.edge import shared
from tests.gateway import support

DRAIN = 5.0


class Server:
    """An application behind the accept layer."""

    def __init__(self, app: types.ASGIApp, rig: support.Rig, options: shared.Options) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.rig = rig
        self.port = listener.getsockname()[1]
        self.descriptor = listener.detach()
        self.draining = asyncio.Event()
        self._app = app
        self._options = options

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def run(self, drain_timeout: float = DRAIN) -> None:
        """Serve until drained."""
        await serve.serve(
            self._app,
            [self.descriptor],
            self.draining,
            drain_timeout,
            lambda: self.rig.dispatcher.abort(errors.NotReadyError("The server is stopping.")),
            self._options,
        )

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, raw: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that comes until it is closed."""
        reader, writer = await self.connect()
        writer.write(raw)
        with contextlib.closing(writer):
            return await support.within(10, reader.read())

    async def ask(self, path: str = "/healthz") -> int:
        """Return the status of a GET on a connection of its own."""
        raw = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        return int((await self.say(raw.encode())).split()[1])


@contextlib.asynccontextmanager
async def serving(
    drain_timeout: float = DRAIN,
    options: shared.Options | None = None,
    app: types.ASGIApp | None = None,
    **limits: float,
) -> AsyncIterator[Server]:
    """Serve a rig, or another application; draining at the end must finish in time."""
    async with support.running(**limits) as rig:
        server = Server(app or rig.app, rig, options or shared.Options())
        task = asyncio.ensure_future(server.run(drain_timeout))
        try:
            yield server
        finally:
            server.draining.set()
            await support.within(drain_timeout + 5, task)


async def head_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer's status and headers."""
    head = await support.within(5, reader.readuntil(b"\r\n\r\n"))
    return int(head.split()[1]), head.lower()


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Read an answer's status, headers and body."""
    status, head = await head_of(reader)
    length = int(head.split(b"content-length: ")[1].split()[0])
    return status, head, await support.within(5, reader.readexactly(length))


def closed(descriptor: int) -> bool:
    """Say whether a descriptor is closed."""
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


async def echo(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """An application that answers with the path and the body it was sent."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    content = scope["path"].encode() + b" " + body
    length = str(len(content)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": content})
