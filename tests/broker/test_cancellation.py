"""An operation that is cancelled wherever it waits leaves no half-read connection to the next."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parallax.broker import base, client
from parallax.contract.topology import Stage
from tests.broker import worlds
from tests.support import interrupted

pytestmark = pytest.mark.redis

KEYS = worlds.KEYS
HOLDER = base.Holder(Stage.PRE, "c0")
OPERATIONS: dict[str, tuple[base.Op[Any], ...]] = {
    "one": (base.Live(("1-1",)),),
    "several": (base.Live(("1-1",)), base.Abandoned(("r",)), base.Beat("api", 1000)),
    "a read that waits": (base.Read((KEYS.pre,), HOLDER, 1, 20),),
    "replies that are waited for": (base.ReadReplies("api", "0-0", 1, 20),),
}


@pytest.fixture
async def broker(real: worlds.ValkeyWorld, valkey_url: str) -> AsyncIterator[client._AsyncClient]:
    made = client.connect_async(valkey_url, KEYS)
    assert isinstance(made, client._AsyncClient)
    yield made
    await made.aclose()


async def _answers_right(broker: client._AsyncClient, number: int) -> None:
    """Ask something whose answer is another one each time, on each connection that there is."""
    to = base.Address(f"r{number}", number, "api")
    record = await broker.execute(base.Submit(to, b"w", b"b"))
    found = await broker.execute(base.Fetch(record))
    assert found is not None
    assert found.address == to
    assert await broker.execute(base.Live((record, "1-1"))) == [True, False]
    assert await broker.execute(base.ReadReplies("nobody", "0-0", 1, 1)) == []
    cancelled = await broker.execute(base.Cancel(record, to.request, 1000))
    assert cancelled in (base.Cancelled.REMOVED, base.Cancelled.MARKED)


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("kind", OPERATIONS)
async def test_an_operation(broker: client._AsyncClient, kind: str, connected: bool) -> None:
    places = 0

    async def execute() -> None:
        if not connected:
            for link in broker._all:
                await link.close()
        await broker.execute_many(OPERATIONS[kind])

    async for place in interrupted.everywhere(execute):
        places += 1
        assert broker._room._value == client.MAX_LINKS
        assert sum(map(len, broker._idle.values())) == len(broker._all), "a link is lost"
        await _answers_right(broker, place)
    assert places


async def test_nobody_waits_for_a_link_of_the_cancelled(
    broker: client._AsyncClient,
) -> None:
    """With one link, its next user gets it although the one before was cancelled half-way."""
    broker._room = asyncio.Semaphore(1)

    async def two() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(_answers_right(broker, number), name=f"user-{number}")

    async for place in interrupted.everywhere(two):
        assert broker._room._value == 1
        await _answers_right(broker, 1000 + place)
