"""The picture of a request that was given up, from this process to its dead letter."""

import asyncio

import httpx
import pytest

from parallax.aio import tasks
from parallax.broker import base, letters
from parallax.contract import errors, messages, wire
from parallax.contract.topology import Stage
from parallax.gateway import keepsakes, metrics, pending
from tests.gateway import support

SORRY = errors.ModelFailedError("it raised")


async def bury(rig: support.Rig) -> None:
    """Let a stage give the next picture up."""
    taken = await rig.hand.next()
    to = taken.entry.address
    reply = messages.Reply(to.request, to.item, SORRY.code, SORRY.message, support.TIMINGS)
    holder = base.Holder(Stage.PRE, "hand")
    await rig.line.execute(base.Bury(taken.entry, holder, "why", wire.encode(reply)))


async def given_up(rig: support.Rig, times: int = 1) -> list[letters.Letter]:
    """Have requests given up one after the other, and return their letters."""
    rig.hand.automatic = None
    for _ in range(times):
        told, _ = await asyncio.gather(rig.detect(), bury(rig), return_exceptions=True)
        assert isinstance(told, errors.ModelFailedError)
    return await rig.line.execute(letters.Letters())


async def attached(rig: support.Rig, letter: letters.Letter) -> bytes:
    """Wait until a letter has a picture and return it."""
    await support.wait_until(lambda: rig.line.sent(letters.Attach), "it is sent")
    return await rig.line.execute(letters.Picture(letter.id))


async def test_a_letter_gets_the_picture_that_was_in_the_slab(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with support.running(1) as rig:
        (letter,) = await given_up(rig)
        assert await attached(rig, letter) == support.PICTURE
        said = (
            f"dead letter {letter.id} now (model fish, model_failed); parallax dlq show {letter.id}"
        )
        assert said in caplog.text


async def test_the_log_names_a_letter_s_request_as_its_client_does(
    rig: support.Rig, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    rig.hand.automatic = None
    headers = {"X-Request-ID": "order-66"}
    call = client.post("/infer/object_detection", json=support.call(), headers=headers)
    answer, _ = await asyncio.gather(call, bury(rig))

    assert answer.status_code == 500
    assert "(X-Request-ID order-66) is dead letter" in caplog.text


async def test_letters_are_counted_by_code() -> None:
    counted = metrics.DEAD_LETTERS.labels(SORRY.code)._value
    before = counted.get()
    async with support.running(0) as rig:
        await given_up(rig, 2)

    assert counted.get() == before + 2


async def test_a_picture_that_travelled_through_the_broker_is_there_already() -> None:
    async with support.running(0) as rig:
        (letter,) = await given_up(rig)
        assert await rig.line.execute(letters.Picture(letter.id)) == support.PICTURE
        assert rig.line.sent(letters.Attach) == []


async def test_no_more_pictures_wait_than_there_is_room_for() -> None:
    async with support.running(1) as rig:
        many = keepsakes.MOST_WAITING * 4
        assert len(await given_up(rig, many)) == many
        assert 1 <= len(rig.line.sent(letters.Attach)) < many
        rig.hand.automatic = lambda taken: support.FRAGMENT
        assert await rig.detect(), "the slot was freed each time"


async def test_a_picture_that_cannot_be_sent_costs_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    line = support.Line()
    line.cut = True
    async with support.running(1) as rig:
        keeping = keepsakes.Keepsakes(line, rig.shelf)
        flight = pending.Flight("r", 0.0, asyncio.Future())
        flight.add(b"", b"", rig.shelf.keep(support.PICTURE))
        flight.parts[0].letter = "1-1"
        crew = tasks.Crew()
        keeping.start(crew)
        for _ in range(keepsakes.MOST_WAITING + 1):
            keeping.keep(flight.parts[0])
        await support.wait_until(lambda: caplog.text.count("stays without") > 1, "it goes on")
        await crew.close()
