"""Bodies: their limit, their deadline, and clients that hang up, below the HTTP server."""

import asyncio
from typing import Any

import orjson
import pytest

from parallax.broker import base
from parallax.gateway import bodies, hangup, metrics
from tests.gateway import support

SMALL = {"max_body_mb": 0.001}  # 1000 bytes
BODY = orjson.dumps(support.call())


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    async with support.running(**SMALL) as rig, asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, headers=[(b"content-length", b"1001")])
        await support.wait_until(lambda: len(exchange.messages) > 1, "an answer")
        exchange.hang_up()
        await exchange.ended()

    assert exchange.status == 413
    assert (b"connection", b"close") in exchange.messages[0]["headers"]
    assert "1000 bytes" in exchange.json["message"]


async def test_an_undeclared_body_is_counted_while_it_comes() -> None:
    async with support.running(**SMALL) as rig, asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, headers=[(b"transfer-encoding", b"chunked")])
        exchange.send(b"x" * 1000, more=True)
        exchange.send(b"x", more=True)
        await support.wait_until(lambda: len(exchange.messages) > 1, "an answer")
        exchange.send(b"x" * 5000)
        await exchange.ended()

    assert exchange.status == 413
    assert exchange.messages[-1] == {
        "type": "http.response.body",
        "body": b"",
        "more_body": False,
    }


async def test_a_body_of_a_get_that_no_header_announces_is_counted_too() -> None:
    known = {"path": "/fish", "method": "GET"}
    async with support.running(**SMALL) as rig, asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, http_version="2", **known)
        exchange.send(b"x" * 1001)
        await exchange.ended()

    assert exchange.status == 413


@pytest.mark.parametrize("length", [b"abc", b"-5", b""])
async def test_an_odd_length_header_is_no_length(length: bytes) -> None:
    async with support.running() as rig, asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, headers=[(b"content-length", length)])
        exchange.send(BODY)
        await exchange.ended()

    assert exchange.status == 200


async def test_a_body_in_pieces_is_put_together(rig: support.Rig) -> None:
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app)
        for start in range(0, len(BODY), 7):
            exchange.send(BODY[start : start + 7], more=True)
        exchange.send(b"")
        await exchange.ended()

    assert exchange.status == 200


async def test_a_slow_body_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LINGER", 0.01)
    async with support.running(timeout=0.05) as rig, asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app)
        exchange.send(BODY[:10], more=True)
        await exchange.ended()

    assert exchange.status == 408
    assert (b"connection", b"close") in exchange.messages[0]["headers"]


@pytest.mark.parametrize("path", ["/nowhere", "/clip/embed_image", "/info"])
async def test_an_early_answer_lets_the_body_run_out(rig: support.Rig, path: str) -> None:
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, path=path)
        exchange.send(b"x" * 1000, more=True)
        await support.wait_until(lambda: len(exchange.messages) >= 2, "an answer")
        assert exchange.messages[1]["more_body"] is True
        exchange.send(b"x" * 1000)
        await exchange.ended()

    assert exchange.messages[-1]["more_body"] is False


async def test_a_body_that_never_ends_does_not_hold_an_early_answer(
    rig: support.Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LINGER", 0.01)
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app, path="/nowhere")
        await exchange.ended()

    assert exchange.status == 404


async def test_a_hang_up_during_the_body_gets_no_answer(rig: support.Rig) -> None:
    gone = _client_gone()
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app)
        exchange.send(BODY[:10], more=True)
        exchange.hang_up()
        await exchange.ended()

    assert exchange.messages == []
    assert _client_gone() == gone + 1


@pytest.mark.parametrize("count", [1, 3])
async def test_a_hang_up_during_the_wait_takes_the_work_back(rig: support.Rig, count: int) -> None:
    rig.hand.automatic = None
    gone = _client_gone()
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app)
        exchange.send(orjson.dumps(support.call(image=[support.image()] * count)))
        taken = [await rig.hand.next() for _ in range(count)]
        exchange.hang_up()
        await exchange.ended()

    assert exchange.messages == []
    assert rig.dispatcher.in_flight == 0
    await support.wait_until(lambda: len(rig.line.sent(base.Cancel)) == count, "cancellations")
    outcomes = [await rig.hand.answer(one) for one in taken]
    assert set(outcomes) == {base.Outcome.CANCELLED}
    assert _client_gone() == gone + 1


async def test_watched_returns_and_raises_what_the_work_does() -> None:
    async def silence() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def work(fails: bool) -> int:
        if fails:
            raise KeyError("odd")
        return 5

    assert await hangup.watched(silence, work(fails=False)) == 5
    with pytest.raises(KeyError):
        await hangup.watched(silence, work(fails=True))


def _client_gone() -> float:
    return float(metrics.OUTCOMES.labels("client_gone")._value.get())


async def test_all_bodies_together_are_bounded_and_the_room_comes_back() -> None:
    async with (
        support.running(max_body_mb=0.001, max_buffered_mb=0.0015) as rig,
        asyncio.TaskGroup() as group,
    ):
        app = rig.app
        first = support.Exchange(group, app)
        first.send(b" " * 900, more=True)
        await support.wait_until(lambda: first.taken, "the first body is held")
        second = support.Exchange(group, app)
        second.send(b" " * 900)
        await second.ended()
        first.send(b"")
        await first.ended()
        third = support.Exchange(group, app)
        third.send(b" " * 900)
        await third.ended()

    assert second.status == 503
    assert first.status == third.status == 422
