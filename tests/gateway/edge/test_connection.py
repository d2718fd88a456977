"""Clients that are slow, silent or gone: each holds a connection for a bounded time, and no other
client notices."""

import asyncio
import socket

import pytest
from starlette import types

from parallax.gateway.edge import patience, shared
from tests.gateway import support
from tests.gateway.edge import serving

LARGE = 64_000_000
OPEN = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def impatient(**seconds: float) -> shared.Options:
    """Return options with other deadlines."""
    return shared.Options(patience.Rules(look=0.02, **seconds))


async def large(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """An application with a long answer, sent at once."""
    headers = [(b"content-length", str(LARGE).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(LARGE)})


async def test_headers_that_trickle_in_are_answered_408_and_others_are_served() -> None:
    async with serving.serving(options=impatient(headers=0.2)) as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\n")
        answered = asyncio.ensure_future(serving.head_of(reader))
        while not answered.done():
            writer.write(b"X: y\r\n")
            await asyncio.sleep(0.01)
        status, head = await answered
        other = await server.ask()
        writer.close()

    assert (status, other) == (408, 200)
    assert b"connection: close" in head


async def test_the_next_headers_on_a_connection_have_a_deadline_too() -> None:
    async with serving.serving(app=serving.echo, options=impatient(headers=0.1)) as server:
        reader, writer = await server.connect()
        writer.write(OPEN + OPEN[:10])
        first, _, _ = await serving.answer_of(reader)
        second, _, _ = await serving.answer_of(reader)
        rest = await support.within(5, reader.read())
        writer.close()

    assert (first, second, rest) == (200, 408, b"")


@pytest.mark.parametrize("said", [b"", OPEN], ids=["nothing sent", "kept alive"])
async def test_an_idle_connection_is_closed(said: bytes) -> None:
    async with serving.serving(options=impatient(idle=0.1)) as server:
        reader, writer = await server.connect()
        writer.write(said)
        await support.within(5, reader.read())
        writer.close()


async def test_a_client_that_does_not_read_is_dropped_and_others_are_served() -> None:
    async with serving.serving(app=large, options=impatient(stalled=0.3)) as server:
        lazy = socket.create_connection(("127.0.0.1", server.port))
        lazy.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(lazy, OPEN)
        reader, writer = await server.connect()
        writer.write(OPEN)
        _, _, body = await serving.answer_of(reader)
        with pytest.raises(ConnectionResetError):
            await support.within(10, _until_dropped(lazy))
        writer.close()
        lazy.close()

    assert len(body) == LARGE


async def _until_dropped(lazy: socket.socket) -> None:
    # Writing tells without reading: reading would be progress.
    while True:
        await asyncio.get_running_loop().sock_sendall(lazy, b"x")
        await asyncio.sleep(0.01)


async def test_a_client_that_reads_slowly_gets_all() -> None:
    async with serving.serving(app=large, options=impatient(stalled=1.0)) as server:
        reader, writer = await server.connect()
        writer.write(OPEN)
        size = 0
        while size < LARGE:
            size += len(await support.within(5, reader.read(1 << 20)))
            await asyncio.sleep(0.01)
        writer.close()


async def test_a_client_that_is_still_sending_can_read_the_refusal() -> None:
    async with serving.serving(app=serving.echo) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n" + bytes(3_000_000))
        status, _, _ = await serving.answer_of(reader)
        await support.within(5, writer.drain())
        writer.close()

    assert status == 400


async def test_a_connection_that_is_reset_harms_nobody() -> None:
    async with serving.serving(app=large) as server:
        for _ in range(20):
            _, writer = await server.connect()
            writer.write(OPEN)
            await writer.drain()
            writer.transport.abort()
        reader, writer = await server.connect()
        writer.write(OPEN)
        status, _, _ = await serving.answer_of(reader)
        writer.close()

    assert status == 200
