"""Waiting for work while somebody may hang up."""

import asyncio
from typing import Any

import pytest

from parallax.contract import errors
from parallax.gateway import hangup
from tests.gateway import support


class Client:
    """Hangs up when told."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.waits = False

    async def receive(self) -> dict[str, Any]:
        """Return the disconnect."""
        self.waits = True
        try:
            await self.gone.wait()
        finally:
            self.waits = False
        return {"type": "http.disconnect"}


async def _work(result: object = 5) -> object:
    await asyncio.sleep(0)
    if isinstance(result, Exception):
        raise result
    return result


@pytest.mark.parametrize("problem", [KeyError("odd"), errors.BadImageError("named")])
async def test_a_failure_of_the_work_is_raised_as_it_is(problem: Exception) -> None:
    with pytest.raises(type(problem)) as caught:
        await hangup.watched(Client().receive, _work(problem))

    assert caught.value is problem


async def test_nobody_watches_once_the_work_is_done() -> None:
    client = Client()

    assert await hangup.watched(client.receive, _work()) == 5
    await support.wait_until(lambda: not client.waits, "the watching ended")


async def test_a_hang_up_cancels_the_work_and_nothing_else() -> None:
    client, stopped = Client(), asyncio.Event()

    async def work() -> None:
        client.gone.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with pytest.raises(hangup.ClientGoneError):
        await support.within(5, hangup.watched(client.receive, work()))
    assert stopped.is_set()
    assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]
    await asyncio.sleep(0)


async def test_a_hang_up_after_the_work_is_not_noticed() -> None:
    client = Client()

    async def work() -> int:
        await support.wait_until(lambda: client.waits, "somebody watches")
        client.gone.set()
        return 5

    assert await hangup.watched(client.receive, work()) == 5
    await asyncio.sleep(0)


async def test_a_failure_of_the_connection_ends_the_work() -> None:
    async def broken() -> dict[str, Any]:
        raise KeyError("no message")

    with pytest.raises(KeyError):
        await support.within(5, hangup.watched(broken, asyncio.Event().wait()))


async def test_a_cancellation_by_others_stays_one() -> None:
    client = Client()
    waiting = asyncio.ensure_future(hangup.watched(client.receive, asyncio.Event().wait()))
    await support.wait_until(lambda: client.waits, "somebody watches")

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await support.wait_until(lambda: not client.waits, "the watching ended")
