"""Packed bodies: read like plain ones, bounded by what they unpack to, and refused when damaged."""

import asyncio
import gzip
import zlib

import hypothesis
import orjson
import pytest
from hypothesis import strategies as st
from starlette import types

from parallax.contract import errors
from parallax.gateway import budget, encodings
from tests.gateway import support

BODY = orjson.dumps(support.call())
PACKED = {b"gzip": gzip.compress(BODY), b"deflate": zlib.compress(BODY)}


async def post(
    rig: support.Rig, content: bytes, coding: bytes, piece: int = 1 << 16
) -> support.Exchange:
    """Send a body in pieces and wait for the answer."""
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, headers=[(b"content-encoding", coding)])
        for start in range(0, len(content), piece):
            exchange.send(content[start : start + piece], more=True)
        exchange.send(b"")
        await exchange.ended()
    return exchange


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"GZIP", b" x-gzip "])
async def test_a_packed_body_is_read_like_a_plain_one(
    rig: support.Rig, coding: bytes, piece: int
) -> None:
    content = PACKED[b"deflate" if coding == b"deflate" else b"gzip"]
    exchange = await post(rig, content, coding, piece)

    assert exchange.status == 200
    assert rig.hand.seen == 1


@pytest.mark.parametrize("coding", [b"", b"identity", b"Identity"])
async def test_a_body_that_says_it_is_not_packed_is_read(rig: support.Rig, coding: bytes) -> None:
    assert (await post(rig, BODY, coding)).status == 200


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b"compress", b"\xff\r\n"])
async def test_an_unknown_coding_is_415_with_those_that_are_known(
    rig: support.Rig, coding: bytes
) -> None:
    exchange = await post(rig, PACKED[b"gzip"], coding)

    assert exchange.status == 415
    assert "Content-Encoding" in exchange.json["message"]
    assert (b"accept-encoding", b"gzip, deflate") in exchange.messages[0]["headers"]


async def test_codings_in_two_headers_are_two_codings(rig: support.Rig) -> None:
    async with asyncio.TaskGroup() as group:
        twice = [(b"content-encoding", b"gzip")] * 2
        exchange = support.Exchange(group, rig.app, headers=twice)
        exchange.send(gzip.compress(PACKED[b"gzip"]))
        await exchange.ended()

    assert exchange.status == 415


@pytest.mark.parametrize("piece", [1, 50, 1 << 16])
async def test_a_bomb_is_413_before_it_has_gone_off(piece: int) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    async with support.running(max_body_mb=0.02) as rig:
        exchange = await post(rig, bomb, b"gzip", piece)

    assert exchange.status == 413
    assert "unpacked" in exchange.json["message"]
    assert "20000 bytes" in exchange.json["message"]


async def test_what_is_unpacked_counts_as_held_for_requests() -> None:
    held = budget.Budget(1_000_000)
    bomb = zlib.compress(b" " * 3_000_000)
    with held.exchange() as account:
        with pytest.raises(errors.OverloadedError):
            await read(bomb, b"deflate", 1 << 16, limit=5_000_000)
        assert 0 < account.held <= 1_000_000
    assert held.held == 0


GZIP = PACKED[b"gzip"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BODY, "header"),
        (GZIP[:-1], "breaks off"),
        (GZIP[:5], "breaks off"),
        (GZIP + b"x", "goes on"),
        (GZIP + GZIP, "goes on"),
        (GZIP[:-8] + bytes(8), "incorrect"),
        (zlib.compress(BODY), "header"),
    ],
)
@pytest.mark.parametrize("piece", [1, 1 << 16])
async def test_a_damaged_body_is_422_with_the_reason(
    rig: support.Rig, content: bytes, why: str, piece: int
) -> None:
    exchange = await post(rig, content, b"gzip", piece)

    assert exchange.status == 422
    assert why in exchange.json["detail"][0]["msg"]
    assert rig.hand.seen == 0


async def test_no_body_at_all_is_not_a_damaged_one(rig: support.Rig) -> None:
    exchange = await post(rig, b"", b"gzip")

    assert exchange.status == 422
    assert "gzip" not in str(exchange.json)


async def test_a_client_that_hangs_up_half_way_is_let_go(rig: support.Rig) -> None:
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, headers=[(b"content-encoding", b"gzip")])
        exchange.send(GZIP[:20], more=True)
        exchange.hang_up()
        await exchange.ended()

    assert exchange.messages == []


async def read(packed: bytes, coding: bytes, piece: int, limit: int) -> bytes:
    """Read a body through the middleware alone."""
    pieces = [packed[at : at + piece] for at in range(0, len(packed), piece)]
    waiting: list[types.Message] = [
        *({"type": "http.request", "body": each, "more_body": True} for each in pieces),
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]
    found: list[bytes] = []

    async def receive() -> types.Message:
        return waiting.pop(0)

    async def handler(_: types.Scope, receive: types.Receive, __: types.Send) -> None:
        more = True
        while more:
            message = await receive()
            assert len(message["body"]) <= encodings.PIECE
            found.append(message["body"])
            more = message["more_body"]
        assert await receive() == {"type": "http.disconnect"}

    async def send(message: types.Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "headers": [(b"content-encoding", coding)]}
    await encodings.Unpacker(handler, limit)(scope, receive, send)
    return b"".join(found)


@hypothesis.given(
    st.binary(max_size=300).map(lambda seed: seed * 5000), st.integers(1, 1 << 16), st.booleans()
)
@hypothesis.settings(deadline=None, max_examples=40)
def test_what_was_packed_comes_out_whole(content: bytes, piece: int, zipped: bool) -> None:
    packed = gzip.compress(content) if zipped else zlib.compress(content)
    piece = max(piece, len(packed) // 100 + 1)
    with budget.Budget(10_000_000).exchange():
        coding = b"gzip" if zipped else b"deflate"
        assert asyncio.run(read(packed, coding, piece, limit=len(content))) == content
