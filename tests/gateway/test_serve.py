"""The real server on a loopback socket: draining, keep-alive, bodies that do not fit."""

import httpx
import orjson
import pytest

from parallax.gateway import serve
from tests.gateway import support
from tests.gateway.edge.serving import Server, closed, head_of, serving

BODY = orjson.dumps(support.call())
HEAD = b"POST /infer/object_detection HTTP/1.1\r\nHost: test\r\n"


async def test_a_request_over_a_socket() -> None:
    async with serving() as server, httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.post("/infer/object_detection", json=support.call())
        page = await client.head("/")

    assert answer.status_code == 200
    assert "server" not in answer.headers
    assert (page.status_code, page.content) == (200, b"")


async def test_a_connection_is_kept_for_many_requests() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for _ in range(3):
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
            status, head = await head_of(reader)
            assert status == 200
            assert b"connection: close" not in head
            await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
        writer.close()


async def test_an_early_answer_keeps_the_connection_if_the_body_ends() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for _ in range(2):
            writer.write(
                b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
                + b"x" * 2_000_000
            )
            status, head = await head_of(reader)
            assert status == 404
            await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
        writer.close()


async def test_a_declared_body_over_the_limit_is_413_and_closes() -> None:
    async with serving(max_body_mb=0.01) as server:
        reader, writer = await server.connect()
        writer.write(HEAD + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
        status, head = await head_of(reader)
        rest = await support.within(5, reader.read())
        writer.close()

    assert status == 413
    assert b"connection: close" in head
    assert "limit" in orjson.loads(rest)["message"]


async def test_a_chunked_body_over_the_limit_is_413_and_closes() -> None:
    async with serving(max_body_mb=0.01) as server:
        reader, writer = await server.connect()
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            writer.write(b"fa0\r\n" + b"x" * 4000 + b"\r\n")
        status, _ = await head_of(reader)
        writer.write(b"0\r\n\r\n")
        rest = await support.within(5, reader.read())
        writer.close()

    assert status == 413
    assert orjson.loads(rest)["message"]


async def test_a_body_that_stalls_is_408_and_closes() -> None:
    async with serving(timeout=0.1) as server:
        reader, writer = await server.connect()
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        status, head = await head_of(reader)
        await support.within(5, reader.read())
        writer.close()

    assert status == 408
    assert b"connection: close" in head


async def test_a_hang_up_over_a_socket_takes_the_work_back() -> None:
    async with serving() as server:
        server.rig.hand.automatic = None
        _, writer = await server.connect()
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        await server.rig.hand.next()
        writer.close()

        await support.wait_until(lambda: server.rig.dispatcher.in_flight == 0, "a free ticket")


async def test_draining_answers_what_is_in_flight_and_closes() -> None:
    async with serving() as server:
        server.rig.hand.automatic = None
        idle_reader, idle = await server.connect()
        idle.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await head_of(idle_reader)
        reader, writer = await server.connect()
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        taken = await server.rig.hand.next()

        server.draining.set()
        await support.within(5, idle_reader.read())
        with pytest.raises(OSError, match=r"."):
            await server.connect()
        await server.rig.hand.answer(taken)
        status, head = await head_of(reader)
        await support.within(5, reader.read())
        idle.close()
        writer.close()

    assert status == 200
    assert b"connection: close" in head


async def test_what_outlasts_the_drain_gets_an_honest_error() -> None:
    async with serving(drain_timeout=0.1) as server:
        server.rig.hand.automatic = None
        reader, writer = await server.connect()
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        await server.rig.hand.next()

        server.draining.set()
        status, head = await head_of(reader)
        await support.within(5, reader.read())
        writer.close()

    assert status == 503
    assert b"retry-after: 1" in head


async def test_a_connection_that_never_ends_does_not_hold_the_drain(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "FAREWELL", 0.05)
    async with serving(drain_timeout=0.05) as server:
        _, writer = await server.connect()
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        await _ready(server)
        server.draining.set()
        await support.wait_until(lambda: "still open" in caplog.text, "a warning")
        writer.close()


async def test_the_descriptor_is_closed_when_draining() -> None:
    async with serving() as server:
        await _ready(server)
        descriptor = server.descriptor
        server.draining.set()
        await support.wait_until(lambda: closed(descriptor), "a closed listener")


async def test_a_websocket_is_refused() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(
            b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        status, _ = await head_of(reader)
        writer.close()

    assert status in {403, 404}


@pytest.mark.parametrize("garbage", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000])
async def test_what_is_not_http_is_refused(garbage: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(garbage)
        status, _ = await head_of(reader)
        writer.close()

    assert status in {400, 431}


async def _ready(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/healthz")).status_code == 200
