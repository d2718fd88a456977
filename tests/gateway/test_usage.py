"""When the last request for a version is answered."""

import asyncio

from parallax.gateway import usage
from tests.gateway import support

OLD, NEW = support.model(version="v1"), support.model(version="v2")


async def test_unused_versions_are_not_waited_for() -> None:
    async with asyncio.timeout(1):
        await usage.Usage().only(())


async def test_the_last_request_of_a_version_ends_the_wait() -> None:
    counting = usage.Usage()
    with counting.of(NEW):
        with counting.of(OLD):
            with counting.of(OLD):
                waiting = asyncio.ensure_future(counting.only([NEW]))
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not waiting.done()
        async with asyncio.timeout(1):
            await waiting


async def test_several_may_wait() -> None:
    counting = usage.Usage()
    with counting.of(OLD), counting.of(NEW):
        waiting = [asyncio.ensure_future(counting.only(left)) for left in ([OLD], [NEW], [])]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
    async with asyncio.timeout(1):
        await asyncio.gather(*waiting)


async def test_requests_in_flight_are_counted_by_version(rig: support.Rig) -> None:
    rig.hand.automatic = None
    asking = asyncio.ensure_future(rig.detect())
    taken = await rig.hand.next()
    waiting = asyncio.ensure_future(rig.dispatcher.usage.only(()))
    await asyncio.sleep(0)
    assert not waiting.done()

    await rig.hand.answer(taken)
    await asking

    async with asyncio.timeout(1):
        await waiting
