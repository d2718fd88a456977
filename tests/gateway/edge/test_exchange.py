"""HTTP/1.1 on raw sockets: what is refused, what is ignored, and in which order answers come."""

import asyncio
import logging

import pytest

from parallax.gateway.edge import exchange, patience, shared
from tests.gateway import support
from tests.gateway.edge import serving

SECOND = b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "length and coding": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 34\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "list of equal lengths": POST + b"Content-Length: 0, 0\r\n\r\n",
    "list of lengths": POST + b"Content-Length: 0, 34\r\n\r\n",
    "signed length": POST + b"Content-Length: +0\r\n\r\n",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "length in words": POST + b"Content-Length: zero\r\n\r\n",
    "endless length": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": POST + b"Content-Length : 0\r\n\r\n",
    "folded header": POST + b"X: a\r\n b\r\n\r\n",
    "folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare LF in headers": POST + b"X: a\nY: b\r\n\r\n",
    "bare LF at the end": POST + b"X: a\n\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare CR in a header": POST + b"X: a\rY: b\r\n\r\n",
    "NUL in a header": POST + b"X: a\0b\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control character in a header": POST + b"X: a\x0bb\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "headers too large": POST + b"X: " + b"x" * 40_000 + b"\r\n\r\n",
    "many headers": POST + b"X: y\r\n" * 6_000 + b"\r\n",
    "chunk size is no number": CHUNKED + b"z\r\nabc\r\n0\r\n\r\n",
    "signed chunk size": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "huge chunk size": CHUNKED + b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "bare LF after a chunk size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "bare LF after a chunk": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "bare LF after the last chunk": CHUNKED + b"0\r\n\n",
    "trailer that ends in bare LF": CHUNKED + b"0\r\nX: y\n\n",
    "LF in a chunk extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_answered(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving.serving(app=serving.echo) as server:
        said = await server.say(raw + SECOND)

    assert said.count(b"HTTP/1.1 ") == 1
    assert said.split()[1] in {b"400", b"408", b"431", b"501", b"505"}
    assert b"connection: close" in said.lower()
    assert b"/second" not in said
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_answers_come_in_the_order_of_pipelined_requests() -> None:
    raw = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20))
    async with serving.serving(app=serving.echo) as server:
        reader, writer = await server.connect()
        writer.write(raw)
        bodies = [(await serving.answer_of(reader))[2] for _ in range(20)]
        writer.close()

    assert bodies == [b"/%d " % number for number in range(20)]


async def test_a_request_behind_a_chunked_body_is_answered() -> None:
    body = b"3;note=x\r\nabc\r\n10\r\n" + b"0123456789abcdef" + b"\r\n0\r\n\r\n"
    async with serving.serving(app=serving.echo) as server:
        reader, writer = await server.connect()
        writer.write(CHUNKED + body + SECOND)
        bodies = [(await serving.answer_of(reader))[2] for _ in range(2)]
        writer.close()

    assert bodies == [b"/ abc0123456789abcdef", b"/second "]


async def test_a_chunked_body_may_come_byte_by_byte() -> None:
    async with serving.serving(app=serving.echo) as server:
        reader, writer = await server.connect()
        writer.write(CHUNKED)
        for byte in b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        _, _, body = await serving.answer_of(reader)
        writer.close()

    assert body == b"/ abcde"


@pytest.mark.parametrize(
    "headers",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ],
    ids=["h2c", "websocket"],
)
async def test_an_upgrade_is_ignored(headers: bytes) -> None:
    async with serving.serving(app=serving.echo) as server:
        reader, writer = await server.connect()
        writer.write(b"GET /first HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + SECOND)
        answers = [await serving.answer_of(reader) for _ in range(2)]
        writer.close()

    assert [status for status, _, _ in answers] == [200, 200]
    assert [body for _, _, body in answers] == [b"/first ", b"/second "]


async def test_a_client_that_waits_for_a_go_ahead_gets_it() -> None:
    async with serving.serving(app=serving.echo) as server:
        reader, writer = await server.connect()
        writer.write(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        go_ahead, _ = await serving.head_of(reader)
        writer.write(b"abc")
        _, _, body = await serving.answer_of(reader)
        writer.close()

    assert go_ahead == 100
    assert body == b"/ abc"


NO = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno"


def _no_posts(method: bytes, target: bytes, headers: shared.Headers) -> bytes | None:
    return NO if method == b"POST" else None


REFUSING = shared.Options(refuse=_no_posts)


async def test_a_refused_request_keeps_its_connection_and_its_body_is_thrown_away() -> None:
    request = POST + b"Content-Length: 100000\r\n\r\n" + b"GET /x HTTP/1.1\r\n\r\n" * 6_000
    request = request[: len(POST) + 26 + 100_000]
    async with serving.serving(app=serving.echo, options=REFUSING) as server:
        reader, writer = await server.connect()
        writer.write(request * 3 + SECOND)
        answers = [await serving.answer_of(reader) for _ in range(4)]
        writer.close()

    assert [status for status, _, _ in answers] == [503, 503, 503, 200]
    assert answers[3][2] == b"/second "


@pytest.mark.parametrize(
    "headers",
    [
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 9\r\nExpect: 100-continue\r\n",
        b"Content-Length: 9\r\nConnection: close\r\n",
        b"Content-Length: %d\r\n" % (exchange.LONGEST_SKIPPED + 1),
    ],
    ids=["chunked", "waits for a go-ahead", "last", "long"],
)
async def test_a_refused_request_whose_body_is_not_read_closes_its_connection(
    headers: bytes,
) -> None:
    async with serving.serving(app=serving.echo, options=REFUSING) as server:
        said = await server.say(POST + headers + b"\r\n")

    assert said == b"HTTP/1.1 503 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"


async def test_a_refused_body_that_does_not_come_ends_the_connection() -> None:
    options = shared.Options(patience.Rules(skipping=0.05, look=0.02), refuse=_no_posts)
    async with serving.serving(app=serving.echo, options=options) as server:
        reader, writer = await server.connect()
        writer.write(POST + b"Content-Length: 100\r\n\r\nabc")
        status, _, _ = await serving.answer_of(reader)
        rest = await support.within(5, reader.read())
        writer.close()

    assert (status, rest) == (503, b"")


async def test_others_have_their_turn_between_refusals_that_are_pipelined() -> None:
    turn, refused = 0, []

    async def other() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def refuse(method: bytes, target: bytes, headers: shared.Headers) -> bytes:
        refused.append(turn)
        return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

    async with serving.serving(app=serving.echo, options=shared.Options(refuse=refuse)) as server:
        reader, writer = await server.connect()
        task = asyncio.ensure_future(other())
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" * 50)
        for _ in range(50):
            await serving.answer_of(reader)
        task.cancel()
        writer.close()

    assert len(set(refused)) == 50
