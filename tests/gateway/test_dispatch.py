"""The transport-free middle: admission, order, cancellation, and tickets that never leak."""

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parallax.broker import base, housekeeping
from parallax.contract import errors, messages
from tests.gateway import support


async def test_a_picture_is_answered(rig: support.Rig) -> None:
    (answer,) = await rig.detect()

    assert answer.bulk == support.FRAGMENT
    assert answer.timings == support.TIMINGS
    assert answer.total_ms > 0
    assert rig.dispatcher.in_flight == 0


async def test_a_picture_lies_in_the_slab_until_it_is_answered() -> None:
    async with support.running(1) as rig:
        rig.hand.automatic = None
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.detect())
            taken = await rig.hand.next()
            place = taken.work.picture
            assert taken.entry.bulk == b""
            assert place is not None
            assert rig.slab.copy(place) == support.PICTURE
            await rig.hand.answer(taken)

        assert not rig.slab.held()
        with pytest.raises(errors.TensorLostError):
            rig.slab.copy(place)


async def test_pictures_beyond_the_slab_travel_through_the_broker() -> None:
    async with support.running(1) as rig:
        rig.hand.automatic = None
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.detect(2))
            taken = [await rig.hand.next(), await rig.hand.next()]
            for one in taken:
                await rig.hand.answer(one)

    assert [one.entry.bulk for one in taken] == [b"", support.PICTURE]
    assert taken[1].work.picture is None


async def test_a_request_that_is_given_up_frees_its_slot() -> None:
    async with support.running(1) as rig:
        rig.hand.automatic = None
        with pytest.raises(errors.DeadlineExceededError):
            await rig.detect(patience=0.01)

        assert not rig.slab.held()


async def test_the_route_says_whose_answer_it_is(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.detect(2, patience=3.0))
        taken = [await rig.hand.next(), await rig.hand.next()]
        for one in taken:
            await rig.hand.answer(one)

    routes = [one.work.route for one in taken]
    assert [route.item for route in routes] == [0, 1]
    assert routes[0].request == routes[1].request
    assert (routes[0].reply_to, routes[0].origin) == ("api-1", "here")
    assert 2900 <= routes[0].budget_ms <= 3000


async def test_requests_have_ids_of_their_own(rig: support.Rig) -> None:
    await asyncio.gather(*(rig.detect() for _ in range(20)))

    submitted = [op.address.request for op in rig.line.sent(base.Submit)]  # type: ignore[attr-defined]
    assert len(set(submitted)) == 20


async def test_a_failed_sibling_ends_all_and_takes_the_rest_back(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(_outcome(rig.detect(3)))
        taken = [await rig.hand.next() for _ in range(3)]
        await rig.hand.answer(taken[0])
        await rig.hand.answer(taken[1], errors.BadImageError("broken"))

    assert isinstance(asked.result(), errors.BadImageError)
    await support.wait_until(lambda: len(rig.line.sent(base.Cancel)) == 2, "two cancellations")
    assert await rig.hand.answer(taken[2]) is base.Outcome.CANCELLED
    assert rig.dispatcher.in_flight == 0


async def test_cancelling_the_call_takes_the_work_back(rig: support.Rig) -> None:
    rig.hand.automatic = None
    call = asyncio.ensure_future(rig.detect())
    taken = await rig.hand.next()
    await support.wait_until(rig.submitted, "a record id")

    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call

    await support.wait_until(lambda: rig.line.sent(base.Cancel), "a cancellation")
    assert await rig.hand.answer(taken) is base.Outcome.CANCELLED
    assert (rig.dispatcher.in_flight, len(rig.dispatcher.pending)) == (0, 0)


async def test_a_request_abandoned_while_it_is_submitted_is_taken_back(rig: support.Rig) -> None:
    rig.hand.automatic = None
    rig.line.stuck = asyncio.Event()
    with pytest.raises(errors.DeadlineExceededError):
        await rig.detect(patience=0.02)

    rig.line.stuck.set()

    await support.wait_until(lambda: rig.line.sent(base.Cancel), "a cancellation")
    (cancel,) = rig.line.sent(base.Cancel)
    assert cancel.record  # type: ignore[attr-defined]


async def test_a_request_abandoned_before_it_is_submitted_never_is(rig: support.Rig) -> None:
    rig.line.stuck = asyncio.Event()
    for _ in range(4):
        with pytest.raises(errors.DeadlineExceededError):
            await rig.detect(patience=0.02)
    rig.line.stuck.set()
    rig.line.stuck = None

    await rig.detect()

    # Two were on their way; the others still waited for a free sender.
    assert len(rig.line.sent(base.Submit)) == 3


async def test_the_deadline_holds_while_the_broker_hangs(rig: support.Rig) -> None:
    rig.line.stuck = asyncio.Event()
    with pytest.raises(errors.DeadlineExceededError):
        await support.within(1.0, rig.detect(patience=0.03))
    rig.line.stuck.set()


async def test_a_deadline_that_has_passed_is_an_answer_too(rig: support.Rig) -> None:
    rig.hand.automatic = None
    with pytest.raises(errors.DeadlineExceededError):
        await rig.detect(patience=-1.0)


async def test_requests_that_arrive_together_share_round_trips(rig: support.Rig) -> None:
    rig.line.stuck = asyncio.Event()
    calls = [asyncio.ensure_future(rig.detect()) for _ in range(10)]
    await support.wait_until(lambda: rig.dispatcher.in_flight == 10, "ten requests")
    rig.line.stuck.set()

    assert len(await asyncio.gather(*calls)) == 10


async def test_abort_answers_everything(rig: support.Rig) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_outcome(rig.detect(2))) for _ in range(3)]
        for _ in range(6):
            await rig.hand.next()
        rig.dispatcher.abort(errors.NotReadyError("stopping"))

    assert {type(call.result()) for call in calls} == {errors.NotReadyError}
    assert rig.dispatcher.in_flight == 0


async def test_check_room_refuses_only_when_full() -> None:
    async with support.running(max_in_flight=1) as rig:
        rig.hand.automatic = None
        rig.dispatcher.check_room(1.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.detect())
            taken = await rig.hand.next()
            with pytest.raises(errors.OverloadedError):
                rig.dispatcher.check_room(1.0)
            await rig.hand.answer(taken)


ACTIONS = ("answer", "fail", "hang up", "deadline", "cut", "malformed")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(ACTIONS)), min_size=1, max_size=8))
def test_no_ticket_and_no_entry_leaks(requests: list[tuple[int, str]]) -> None:
    asyncio.run(_live_through(requests))


async def _live_through(requests: list[tuple[int, str]]) -> None:
    async with support.running(max_in_flight=16) as rig:
        rig.hand.automatic = None
        for count, action in requests:
            await _one(rig, count, action)
            assert rig.dispatcher.in_flight == 0
            assert len(rig.dispatcher.pending) == 0
        while not rig.hand.taken.empty():
            await rig.hand.answer(await rig.hand.next())
        await support.wait_until(rig.dispatcher.outbox._cancels.empty, "all taken back")
        await support.wait_until(lambda: _left(rig) == 0, "an empty stream")


async def _one(rig: support.Rig, count: int, action: str) -> None:
    rig.line.cut = action == "cut"
    patience = 0.02 if action == "deadline" else 5.0
    call = asyncio.ensure_future(_outcome(rig.detect(count, patience)))
    if action not in {"cut", "deadline"}:
        taken = [await _next_wanted(rig) for _ in range(count)]
        if action == "hang up":
            call.cancel()
        for one in taken:
            await _treat(rig, one, action)
    with contextlib.suppress(asyncio.CancelledError):
        outcome = await support.within(5, call)
        assert (outcome is None) is (action == "answer")
    rig.line.cut = False


async def _next_wanted(rig: support.Rig) -> support.Taken:
    while True:
        taken = await rig.hand.next()
        route = taken.work.route
        if rig.dispatcher.pending.find(route.request, route.item):
            return taken
        await rig.hand.answer(taken)  # of a request whose deadline passed


async def _treat(rig: support.Rig, taken: support.Taken, action: str) -> None:
    if action == "malformed":
        await rig.hand.finish(taken, b"\x01\xc1", b"")
    elif action == "fail":
        await rig.hand.answer(taken, errors.ModelFailedError("raised"))
    else:
        await rig.hand.answer(taken)


def _left(rig: support.Rig) -> int:
    stats = rig.line.memory.apply(
        housekeeping.Survey(tuple(support.KEYS.streams(("fish",)).items())), support.KEYS
    )
    return int(stats[support.KEYS.pre].length + stats[support.KEYS.pre].pending)


async def _outcome(work: object) -> errors.ParallaxError | None:
    try:
        await work  # type: ignore[misc]
    except errors.ParallaxError as problem:
        return problem
    return None


async def test_a_request_that_cannot_be_launched_frees_its_slots() -> None:
    async with support.running(2) as rig:
        unsendable = messages.DetectionParams(max_detections=1 << 70)
        with pytest.raises(OverflowError):
            await rig.dispatcher.detect(
                support.model(), [support.PICTURE] * 2, unsendable, messages.ImageOptions(), 1e9
            )

        assert not rig.slab.held()
        assert (rig.dispatcher.in_flight, len(rig.dispatcher.pending)) == (0, 0)
