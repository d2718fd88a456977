"""API keys: where they may stand, which one counts, and what needs none."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from starlette import applications

from parallax.gateway import metrics
from tests.gateway import support

URL = "/infer/object_detection"
OPEN = ["/", "/docs", "/redoc", "/info", "/healthz", "/readiness", "/metrics", "/openapi.json"]
OPEN += ["/sample.jpg"]
CLOSED = ["/status", "/model/registry", "/logs", "/clear_cache", "/nowhere", "/clip/embed_text"]
CLOSED += ["/%2Finfo", "/info/", "/INFO", "/info/../status", "/a/b"]


def application(rig: support.Rig) -> applications.Starlette:
    """Return an application that asks for a key."""
    return rig.locked(api_keys=("right", "also right"))


@pytest.fixture
async def locked(rig: support.Rig) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that asks for a key."""
    transport = httpx.ASGITransport(application(rig))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


def bearer(key: str, scheme: str = "Bearer") -> dict[str, Any]:
    return {"headers": {"Authorization": f"{scheme} {key}"}}


@pytest.mark.parametrize(
    "request_",
    [
        {"params": {"api_key": "right"}},
        {"params": {"api_key": "also right"}},
        bearer("right"),
        bearer("right", "bEARER"),
        {"json": support.call(api_key="right")},
        {"params": {"api_key": "right"}, **bearer("wrong"), "json": support.call(api_key="no")},
        {**bearer("right"), "json": support.call(api_key="wrong")},
        {"params": {"api_key": ""}, **bearer("right")},
    ],
)
async def test_a_key_may_stand_in_three_places(
    locked: httpx.AsyncClient, request_: dict[str, Any]
) -> None:
    answer = await locked.post(URL, **{"json": support.call(), **request_})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"params": {"api_key": "wrong"}},
        {"params": {"api_key": "None"}},
        {"params": {"api_key": "wrong"}, **bearer("right")},
        {**bearer("wrong"), "json": support.call(api_key="right")},
        bearer("right", "Basic"),
        {"headers": {"Authorization": "right"}},
        {"json": support.call(api_key="wrong")},
        {"json": support.call(api_key=["right"])},
        {"content": b"api_key=right"},
    ],
)
async def test_without_the_right_key_there_is_no_answer(
    locked: httpx.AsyncClient, rig: support.Rig, request_: dict[str, Any]
) -> None:
    if "content" not in request_:
        request_ = {"json": support.call(), **request_}
    before = metrics.UNAUTHORIZED._value.get()

    answer = await locked.post(URL, **request_)

    assert answer.status_code == 401
    assert metrics.UNAUTHORIZED._value.get() == before + 1
    assert answer.json() == {"status": 401, "message": "Unauthorized api_key"}
    assert rig.hand.seen == 0


@pytest.mark.parametrize("path", OPEN)
async def test_what_is_open_needs_no_key(locked: httpx.AsyncClient, path: str) -> None:
    assert (await locked.get(path)).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
async def test_all_else_needs_one_even_to_learn_that_it_is_not_there(
    locked: httpx.AsyncClient, path: str
) -> None:
    answer = await locked.get(path, headers={"Host": "test/info?"})

    assert answer.status_code == 401


async def test_the_body_of_the_v0_route_is_no_place_for_a_key(locked: httpx.AsyncClient) -> None:
    picture = {"content": base64.b64encode(b"x"), "headers": {"Content-Type": "text/plain"}}

    assert (await locked.post("/fish", **picture)).status_code == 401  # type: ignore[arg-type]
    assert (await locked.post("/fish?api_key=right", **picture)).status_code == 200  # type: ignore[arg-type]


async def test_a_hang_up_is_noticed_after_a_body_was_read_for_its_key(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, application(rig))
        exchange.send(orjson.dumps(support.call(api_key="right")))
        await rig.hand.next()
        exchange.hang_up()
        await exchange.ended()

    assert exchange.messages == []
    assert rig.dispatcher.in_flight == 0
