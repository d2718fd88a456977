"""Refusing before anything is read: only what is hopeless, and with all that other answers have."""

import asyncio
from collections.abc import Iterator

import h11
import orjson
import pytest

from parallax.gateway import routes, shedding
from tests.gateway import support

V1 = b"/infer/object_detection"
PLENTY: list[tuple[bytes, bytes]] = [(b"host", b"x")]


async def test_nothing_is_refused_while_there_is_room() -> None:
    async with support.running(max_in_flight=1) as rig:
        assert _shedder(rig)(b"POST", V1, PLENTY) is None


@pytest.mark.parametrize("target", [V1, V1 + b"?api_key=k", b"/demo", b"/shop/3?format=image"])
async def test_inference_is_refused_when_all_places_are_taken(target: bytes) -> None:
    async with support.running(max_in_flight=1) as rig, _Full(rig):
        answer = _shedder(rig)(b"POST", target, PLENTY)

        status, headers, content = _read(answer)
        assert status == 503
        assert headers[b"content-type"] == b"application/json"
        assert int(headers[b"retry-after"]) >= 1
        assert headers[b"x-request-id"]
        assert headers[b"x-inference-engine"] == b"parallax"
        assert "limit of 1 pictures" in orjson.loads(content)["message"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"GET", V1),
        (b"GET", b"/readiness"),
        (b"POST", b"/model/add"),
        (b"POST", b"/"),
        (b"POST", b"/a/b/c"),
        (b"POST", b"*"),
        (b"POST", b"/\xff\xfe/x/y"),
        (b"POST", b"/infer/none"),
    ],
)
async def test_everything_else_is_left_to_the_application(method: bytes, target: bytes) -> None:
    async with support.running(max_in_flight=1) as rig, _Full(rig):
        assert _shedder(rig)(method, target, PLENTY) is None


async def test_the_same_is_said_as_when_the_application_refuses() -> None:
    async with support.running(max_in_flight=1) as rig, rig.client() as client, _Full(rig):
        slow = await client.post(V1.decode(), json=support.call())
        _, headers, content = _read(_shedder(rig)(b"POST", V1, PLENTY))

        assert orjson.loads(content) == slow.json()
        assert {name.decode() for name in headers} == set(slow.headers)


async def test_the_id_of_the_client_is_kept() -> None:
    async with support.running(max_in_flight=1) as rig, _Full(rig):
        answer = _shedder(rig)(b"POST", V1, [(b"x-request-id", b"mine-1")])

        assert _read(answer)[1][b"x-request-id"] == b"mine-1"


async def test_a_time_that_is_none_is_left_to_the_endpoint() -> None:
    async with support.running(max_in_flight=1) as rig, _Full(rig):
        assert _shedder(rig)(b"POST", V1, [(b"x-request-timeout", b"soon")]) is None


def _shedder(rig: support.Rig) -> shedding.Shedder:
    return shedding.Shedder(rig.context, routes.operations(rig.context))


class _Full:
    """The only place is taken while this is open."""

    def __init__(self, rig: support.Rig) -> None:
        self._rig = rig

    async def __aenter__(self) -> None:
        self._rig.hand.automatic = None
        self._call = asyncio.ensure_future(self._rig.detect())
        self._taken = await self._rig.hand.next()

    async def __aexit__(self, *_: object) -> None:
        await self._rig.hand.answer(self._taken)
        await self._call


def _read(answer: bytes | None) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return status, headers and body, read as a client reads them."""
    assert answer is not None
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    events = list(_events(client))
    response = events[0]
    assert isinstance(response, h11.Response)
    body = b"".join(bytes(each.data) for each in events if isinstance(each, h11.Data))
    assert any(isinstance(each, h11.EndOfMessage) for each in events)
    return response.status_code, dict(response.headers), body


def _events(client: h11.Connection) -> Iterator[h11.Event]:
    while not isinstance(event := client.next_event(), type):
        yield event
        if isinstance(event, h11.EndOfMessage):
            return


async def test_one_that_is_let_in_takes_its_place_while_it_is_read() -> None:
    async with support.running(max_in_flight=1) as rig:
        assert _shedder(rig)(b"POST", V1, PLENTY) is None
        assert _shedder(rig)(b"POST", V1, PLENTY) is not None
        rig.dispatcher.arrived()
        assert _shedder(rig)(b"POST", V1, PLENTY) is None
