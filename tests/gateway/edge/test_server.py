"""How many connections there may be, what happens beyond, and how they end with the server."""

import asyncio

import pytest
from starlette import types

from parallax.gateway.edge import patience, server, shared
from tests.gateway import support
from tests.gateway.edge import serving

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /healthz HTTP/1.1\r\n"


def limited(count: int, **seconds: float) -> shared.Options:
    """Return options for few connections."""
    rules = patience.Rules(**{"look": 0.02, "evictable": 0.0, **seconds})
    return shared.Options(rules, max_connections=count)


async def test_idle_connections_do_not_keep_others_out() -> None:
    async with serving.serving(options=limited(64)) as running:
        held = [await running.connect() for _ in range(200)]
        answers = [await running.ask("/info") for _ in range(5)]
        for _, writer in held:
            writer.close()

    assert answers == [200] * 5


async def test_the_connection_that_was_idle_longest_goes_first() -> None:
    async with serving.serving(options=limited(16)) as running:
        held = []
        for _ in range(20):
            reader, writer = await running.connect()
            writer.write(GET)
            await serving.answer_of(reader)
            held.append((reader, writer))
        await support.within(5, held[0][0].read())
        reader, writer = held[-1]
        writer.write(GET)
        status, _, _ = await serving.answer_of(reader)
        for _, writer in held:
            writer.close()

    assert status == 200


async def test_beyond_the_limit_health_is_answered_and_all_else_gets_503() -> None:
    async with serving.serving(options=limited(16, crowded=30.0, evictable=60.0)) as running:
        busy = [await running.connect() for _ in range(16)]
        for _, writer in busy:
            writer.write(HALF)
        health = await running.ask("/healthz")
        said = await running.say(b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n")
        for _, writer in busy:
            writer.close()

    assert health == 200
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in said


async def test_connections_beyond_the_limit_that_say_nothing_make_room_soon() -> None:
    crowd = 16 + server.SPARE
    async with serving.serving(options=limited(16, crowded=0.1, evictable=60.0)) as running:
        busy = [await running.connect() for _ in range(crowd + 20)]
        for _, writer in busy[:16]:
            writer.write(HALF)
        status = await running.ask("/healthz")
        for _, writer in busy:
            writer.close()

    assert status == 200


async def test_draining_answers_the_next_request_of_a_kept_connection() -> None:
    async with serving.serving() as running:
        reader, writer = await running.connect()
        writer.write(GET)
        await serving.answer_of(reader)
        running.draining.set()
        await asyncio.sleep(0)
        writer.write(GET)
        status, head, _ = await serving.answer_of(reader)
        await support.within(5, reader.read())
        writer.close()

    assert status == 200
    assert b"connection: close" in head


async def test_draining_answers_the_first_request_of_one_that_had_only_connected() -> None:
    async with serving.serving() as running:
        connected = [await running.connect() for _ in range(200)]
        running.draining.set()
        for _, writer in connected:
            writer.write(GET)
        answers = [await serving.answer_of(reader) for reader, _ in connected]
        for _, writer in connected:
            writer.close()

    assert {status for status, _, _ in answers} == {200}


async def test_draining_answers_all_that_was_pipelined() -> None:
    release = asyncio.Event()

    async def held(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        await release.wait()
        await serving.echo(scope, receive, send)

    async with serving.serving(app=held) as running:
        reader, writer = await running.connect()
        writer.write(GET * 3)
        running.draining.set()
        await support.wait_until(lambda: serving.closed(running.descriptor), "a closed listener")
        release.set()
        heads = [(await serving.answer_of(reader))[1] for _ in range(3)]
        writer.close()

    assert [b"connection: close" in head for head in heads] == [False, False, True]


async def test_draining_closes_connections_that_stay_silent() -> None:
    async with serving.serving(options=shared.Options(patience.Rules(drain=0.1))) as running:
        reader, writer = await running.connect()
        running.draining.set()
        assert await support.within(5, reader.read()) == b""
        writer.close()


async def test_a_server_without_connections_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LAST_CALL", 60.0)
    options = shared.Options(patience.Rules(drain=60.0))
    async with serving.serving(options=options) as running:
        await running.ask()
