"""The reply reader: what it must survive, and what it repairs after an outage."""

import asyncio

import pytest

from parallax.aio import tasks
from parallax.broker import base
from parallax.contract import errors, messages, wire
from parallax.contract.topology import Stage
from parallax.gateway import mailbox, metrics
from tests.gateway import support


def dropped(reason: str) -> float:
    """Return how many replies were dropped so far."""
    return float(metrics.REPLIES_DROPPED.labels(reason)._value.get())


async def test_a_malformed_reply_fails_its_request_and_not_the_reader(rig: support.Rig) -> None:
    rig.hand.automatic = None
    before = dropped("malformed")
    async with asyncio.TaskGroup() as group:
        bad = group.create_task(_outcome(rig))
        await rig.hand.finish(await rig.hand.next(), b"\x07garbage", b"")
    rig.hand.automatic = lambda taken: support.FRAGMENT

    assert isinstance(bad.result(), errors.InternalError)
    assert dropped("malformed") == before + 1
    assert await rig.detect()


async def test_a_reply_addressed_to_another_inside_is_malformed(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        bad = group.create_task(_outcome(rig))
        reply = messages.Reply("somebody-else", 0, "", "", support.TIMINGS)
        await rig.hand.finish(await rig.hand.next(), wire.encode(reply), support.FRAGMENT)

    assert isinstance(bad.result(), errors.InternalError)


async def test_an_unknown_reply_is_dropped_and_counted(rig: support.Rig) -> None:
    before = dropped("unknown")
    stranger = base.Submit(base.Address("stranger", 0, "api-1"), *_work("stranger", 0))
    await rig.line.execute(stranger)

    await support.wait_until(lambda: dropped("unknown") == before + 1, "a dropped reply")
    assert await rig.detect()


async def test_an_item_beyond_the_request_is_unknown(rig: support.Rig) -> None:
    rig.hand.automatic = None
    before = dropped("unknown")
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.detect())
        taken = await rig.hand.next()
        request = taken.work.route.request
        await rig.line.execute(base.Submit(base.Address(request, 9, "api-1"), *_work(request, 9)))
        await rig.hand.answer(await rig.hand.next())
        await support.wait_until(lambda: dropped("unknown") == before + 1, "a dropped reply")
        await rig.hand.answer(taken)


async def test_an_error_that_a_script_wrote_reaches_the_client(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(_outcome(rig))
        taken = await rig.hand.next()
        holder = base.Holder(Stage.PRE, "hand")
        for _ in range(3):
            released = await rig.line.execute(
                base.Release(support.KEYS.pre, holder, None, limit=1, cause="killed its worker")
            )
            if released.buried:
                break
    assert taken.entry.losses == 0
    assert isinstance(asked.result(), errors.PoisonedError)


async def test_a_mailbox_with_only_rubbish_in_it_is_not_spun_on(
    rig: support.Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def nap(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(mailbox.asyncio, "sleep", nap)  # type: ignore[attr-defined]
    rig.line.empty_handed = True

    await support.wait_until(lambda: mailbox.FIRST_BACKOFF in pauses, "a pause")
    rig.line.empty_handed = False


async def test_what_was_read_is_trimmed(rig: support.Rig) -> None:
    await asyncio.gather(*(rig.detect() for _ in range(5)))

    await support.wait_until(lambda: rig.line.sent(base.TrimReplies), "a trim")
    replies = rig.line.memory.apply(base.ReadReplies("api-1", "0-0", 10, 0), support.KEYS)
    assert replies == []


async def test_a_pause_of_the_broker_loses_nothing(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(rig.detect())
        taken = await rig.hand.next()
        await _outage(rig)
        await rig.hand.answer(taken)

    assert asked.result()
    assert len(rig.line.sent(base.Submit)) == 1


async def test_what_the_broker_lost_is_submitted_again(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(rig.detect(2))
        first = await rig.hand.next()
        await rig.hand.answer(first)
        await rig.hand.next()
        await support.wait_until(lambda: len(rig.submitted()) == 1, "a reply")
        rig.line.cut = True
        rig.line.lose_everything()
        await support.wait_until(lambda: rig.mailbox._doubt, "an outage")
        rig.line.cut = False
        again = await rig.hand.next()
        await rig.hand.answer(again)

    assert again.work.route.item == 1
    assert again.entry.bulk == support.PICTURE
    assert len(asked.result()) == 2


async def test_a_silent_restart_of_the_broker_is_found_out(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(rig.detect())
        await rig.hand.next()
        await support.wait_until(rig.submitted, "a record id")
        rig.line.lose_everything()
        await rig.hand.answer(await rig.hand.next())

    assert asked.result()
    assert len(rig.line.sent(base.Submit)) == 2


async def test_a_request_that_waits_long_is_left_alone(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(rig.detect())
        taken = await rig.hand.next()
        await support.wait_until(lambda: len(rig.line.sent(base.Live)) >= 3, "three audits")
        await rig.hand.answer(taken)

    assert asked.result()
    assert len(rig.line.sent(base.Submit)) == 1


async def test_an_answer_that_waits_in_the_mailbox_is_not_asked_for_again(
    rig: support.Rig,
) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(rig.detect())
        taken = await rig.hand.next()
        rig.line.cut = True
        await rig.hand.answer(taken)
        await support.wait_until(lambda: rig.mailbox._doubt, "an outage")
        rig.line.cut = False

    assert asked.result()
    assert len(rig.line.sent(base.Submit)) == 1


async def test_a_resubmission_that_fails_is_tried_again(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(rig.detect())
        await rig.hand.next()
        (part,) = rig.submitted()
        rig.line.lose_everything()
        rig.line.cut = True
        rig.dispatcher.outbox.submit(part)
        await support.wait_until(lambda: not part.queued, "a failed resubmission")
        await support.wait_until(lambda: rig.mailbox._doubt, "an outage")
        rig.line.cut = False
        await rig.hand.answer(await rig.hand.next())

    assert asked.result()


async def test_new_requests_fail_at_once_during_an_outage(rig: support.Rig) -> None:
    rig.line.cut = True
    with pytest.raises(errors.BrokerUnavailableError):
        await support.within(1.0, rig.detect())
    rig.line.cut = False


async def test_a_process_that_slept_through_its_lease_looks_again(rig: support.Rig) -> None:
    now = rig.mailbox._clock()
    rig.mailbox._clock = lambda: now + 100.0
    beats = len(rig.line.sent(base.Beat))

    await support.wait_until(lambda: len(rig.line.sent(base.Beat)) >= beats + 2, "beats")
    assert not rig.mailbox._doubt or await rig.detect()


async def test_the_mailbox_is_removed_at_the_end(rig: support.Rig) -> None:
    await rig.mailbox.close()

    assert rig.line.sent(base.CloseMailbox)
    rig.line.cut = True
    await rig.mailbox.close()
    rig.line.cut = False


async def test_a_dead_reader_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    rig = support.Rig()
    crew = tasks.Crew()
    rig.mailbox._read_page = lambda block_ms: 1 // 0  # type: ignore[method-assign, assignment, return-value]
    rig.mailbox.start(crew)

    with pytest.raises(ZeroDivisionError):
        await support.within(5, crew.until(asyncio.Event()))
    await crew.close()


async def _outage(rig: support.Rig) -> None:
    rig.line.cut = True
    await support.wait_until(lambda: rig.mailbox._doubt, "an outage")
    rig.line.cut = False
    await support.wait_until(lambda: not rig.mailbox._doubt, "a recovery")


async def _outcome(rig: support.Rig) -> errors.ParallaxError | None:
    try:
        await rig.detect()
    except errors.ParallaxError as problem:
        return problem
    return None


def _work(request: str, item: int) -> tuple[bytes, bytes]:
    route = messages.Route(request, item, "api-1", "here", 1e9, 1000)
    work = messages.PreWork(route, "fish", messages.DetectionParams(), messages.ImageOptions())
    return wire.encode(work), support.PICTURE
