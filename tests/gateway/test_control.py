"""Orders to the supervisor and its answers, as one api process sees them."""

import asyncio
import time

import pytest

from parallax.contract import errors, lifeline, roster
from parallax.gateway import control
from tests.gateway import support

LATER = time.monotonic() + 600


@pytest.fixture
def unloaded(rig: support.Rig) -> support.Rig:
    """An api process that knows a loaded model and an unloaded one."""
    rig.models.replace([support.model()], [support.model("bird", aliases=("avis",))])
    return rig


async def ordered(rig: support.Rig, count: int = 1) -> list[lifeline.Order]:
    await support.wait_until(lambda: len(rig.orders) >= count, f"{count} orders are given")
    return rig.orders


async def test_a_loaded_model_needs_no_order(rig: support.Rig) -> None:
    assert await rig.control.load("fish", LATER) == 0.0
    assert await rig.control.load("poisson", LATER) == 0.0
    assert rig.orders == []


@pytest.mark.parametrize("name", ["bird", "avis"])
async def test_an_unloaded_model_is_ordered_by_its_id(unloaded: support.Rig, name: str) -> None:
    loading = asyncio.ensure_future(unloaded.control.load(name, LATER))
    (order,) = await ordered(unloaded)
    assert (order.load, order.model) == (True, "bird")

    unloaded.control.hear(lifeline.Obeyed(order.number, 1.25))

    assert await loading == 1.25


async def test_a_model_without_a_package_is_unknown(rig: support.Rig) -> None:
    with pytest.raises(errors.UnknownModelError, match="no model cat"):
        await rig.control.load("cat", LATER)
    await rig.control.unload("cat", LATER)
    assert rig.orders == []


async def test_a_refused_package_says_why(rig: support.Rig) -> None:
    refused = roster.Package("cat", "/m/cat.onnx", roster.State.REFUSED, reason="no outputs")
    rig.models.replace([], (), (refused,))

    with pytest.raises(errors.ModelRefusedError, match="no outputs"):
        await rig.control.load("cat", LATER)


async def test_a_failure_of_the_supervisor_is_raised(unloaded: support.Rig) -> None:
    loading = asyncio.ensure_future(unloaded.control.load("bird", LATER))
    (order,) = await ordered(unloaded)

    unloaded.control.hear(lifeline.Obeyed(order.number, 0.0, "model_refused", "too large"))

    with pytest.raises(errors.ModelRefusedError, match="too large"):
        await loading


async def test_each_order_gets_its_own_answer(unloaded: support.Rig) -> None:
    loading = asyncio.ensure_future(unloaded.control.load("bird", LATER))
    unloading = asyncio.ensure_future(unloaded.control.unload("poisson", LATER))
    clearing = asyncio.ensure_future(unloaded.control.clear(LATER))
    orders = await ordered(unloaded, 3)
    assert [(order.load, order.model) for order in orders] == [
        (True, "bird"),
        (False, "fish"),
        (False, ""),
    ]
    for order in reversed(orders):
        unloaded.control.hear(lifeline.Obeyed(order.number, 2.0))

    assert await loading == 2.0
    await asyncio.gather(unloading, clearing)


async def test_an_answer_that_does_not_come_ends_at_the_deadline(unloaded: support.Rig) -> None:
    with pytest.raises(errors.DeadlineExceededError, match="bird was not loaded"):
        await unloaded.control.load("bird", time.monotonic() + 0.01)

    unloaded.control.hear(lifeline.Obeyed(unloaded.orders[0].number))  # late: dropped


async def test_orders_that_wait_are_bounded(unloaded: support.Rig) -> None:
    waiting = [
        asyncio.ensure_future(unloaded.control.unload("bird", LATER))
        for _ in range(control.MOST_WAITING)
    ]
    orders = await ordered(unloaded, len(waiting))

    with pytest.raises(errors.OverloadedError):
        await unloaded.control.clear(LATER)

    for order in orders:
        unloaded.control.hear(lifeline.Obeyed(order.number))
    await asyncio.gather(*waiting)
    assert await unloaded.control.load("fish", LATER) == 0.0


async def test_requests_for_one_model_share_an_order(unloaded: support.Rig) -> None:
    loads = [asyncio.ensure_future(unloaded.control.load("bird", LATER)) for _ in range(200)]
    (order,) = await ordered(unloaded)
    loads[0].cancel()
    await asyncio.wait(loads[:1])

    unloaded.control.hear(lifeline.Obeyed(order.number, 1.5))

    assert await asyncio.gather(*loads[1:]) == [1.5] * 199
    assert len(unloaded.orders) == 1


async def test_a_request_after_an_unload_orders_anew(unloaded: support.Rig) -> None:
    first = asyncio.ensure_future(unloaded.control.load("bird", LATER))
    await ordered(unloaded)
    gone = asyncio.ensure_future(unloaded.control.unload("bird", LATER))
    await ordered(unloaded, 2)
    second = asyncio.ensure_future(unloaded.control.load("bird", LATER))
    orders = await ordered(unloaded, 3)
    for order in orders:
        unloaded.control.hear(lifeline.Obeyed(order.number, 0.5))
    await gone
    assert (await first, await second) == (0.5, 0.5)
