"""A request that is cancelled at any of the places where it waits leaves nothing behind: no place
in admission, no slot, no bytes on the account, no task, no record in the broker."""

import asyncio
from typing import Any

import orjson
import pytest

from parallax.broker import base
from parallax.contract import errors
from parallax.gateway import bodies, hangup
from tests.gateway import support
from tests.support import interrupted

BODY = orjson.dumps(support.call(image=[support.image(), support.image()]))
SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "path": "/infer/object_detection",
    "raw_path": b"/infer/object_detection",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"content-length", str(len(BODY)).encode())],
    "client": ("127.0.0.1", 5),
    "server": ("127.0.0.1", 9001),
}


class Sender:
    """A client that sends its body in pieces, with pauses, and then only listens."""

    def __init__(self, body: bytes = BODY, pieces: int = 4) -> None:
        size = -(-len(body) // pieces)
        self.pieces = [body[at : at + size] for at in range(0, len(body), size)]
        self.got: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        if not self.pieces:
            await asyncio.Event().wait()
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        self.got.append(message)


async def nothing_is_left(rig: support.Rig) -> None:
    """Check the api process at once, and the broker when it has heard of the end."""
    assert rig.dispatcher.in_flight == 0
    assert len(rig.dispatcher.pending) == 0
    assert rig.slab.held() == []
    kept = rig.shelf.keep(b"x")
    assert kept is not None, "no slot is free"
    rig.shelf.drop(kept)
    await support.wait_until(lambda: _records(rig) == 0, "the broker has forgotten the request")


def _records(rig: support.Rig) -> int:
    stream = rig.line.memory.store.stream(support.KEYS.pre)
    return len(stream.entries) if stream else 0


@pytest.mark.parametrize("slots", [0, 2])
@pytest.mark.parametrize("answers", [True, False])
async def test_a_detection(slots: int, answers: bool) -> None:
    async with support.running(max(slots, 1)) as rig:
        if not answers:
            rig.hand.automatic = lambda taken: errors.BadImageError("no picture")

        async def detect() -> None:
            try:
                await rig.detect(count=slots + 1)
            except errors.BadImageError:
                assert not answers

        async for _ in interrupted.everywhere(detect):
            await nothing_is_left(rig)
        await nothing_is_left(rig)


async def test_an_exchange_from_its_first_byte_to_its_last() -> None:
    async with support.running(3) as rig:
        application = rig.app
        last: list[Sender] = []

        async def exchange() -> None:
            last[:] = [Sender()]
            await application(dict(SCOPE), last[0].receive, last[0].send)

        places = 0
        async for _ in interrupted.everywhere(exchange):
            places += 1
            await nothing_is_left(rig)
        assert last[0].got[0]["status"] == 200
        await nothing_is_left(rig)
    assert places > 5


async def test_a_body_and_its_bytes_on_the_account() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        body = await bodies.read(receive, 5.0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    guard = bodies.BodyGuard(application, 10_000, 10_000)

    async def exchange() -> None:
        sender = Sender(b"x" * 1000)
        await guard(dict(SCOPE, headers=[]), sender.receive, sender.send)

    places = 0
    async for _ in interrupted.everywhere(exchange):
        places += 1
        assert guard._budget.held == 0
    assert places >= 5


async def test_an_answer_before_the_body_is_read() -> None:
    """The rest of the body is thrown away meanwhile, by a task of its own."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    guard = bodies.BodyGuard(application, 10_000, 10_000)

    async def exchange() -> None:
        sender = Sender(b"x" * 1000)
        await guard(dict(SCOPE, headers=[]), sender.receive, sender.send)

    async for _ in interrupted.everywhere(exchange):
        assert guard._budget.held == 0


async def test_work_that_is_watched() -> None:
    stopped = 0

    async def work() -> int:
        nonlocal stopped
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            return 5
        finally:
            stopped += 1

    async def watched() -> None:
        assert await hangup.watched(asyncio.Event().wait, work()) == 5  # type: ignore[arg-type]

    places = [place async for place in interrupted.everywhere(watched)]
    assert stopped == len(places) + 1


async def test_a_submission_that_is_under_way() -> None:
    """The part is on its way to a broker that does not answer when the client goes."""
    async with support.running(2) as rig:
        rig.hand.automatic = None
        rig.line.stuck = asyncio.Event()
        call = asyncio.ensure_future(rig.detect(count=2))
        await support.wait_until(lambda: len(rig.dispatcher.pending) == 1, "a request in flight")

        call.cancel()
        await asyncio.wait({call})
        assert rig.dispatcher.in_flight == 0
        assert rig.slab.held() == []
        rig.line.stuck.set()

        await support.wait_until(lambda: _records(rig) == 0, "both records are taken back")
        assert not rig.line.sent(base.Finish)
