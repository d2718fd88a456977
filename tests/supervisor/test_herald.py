"""A roster reaches every process that lives."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parallax.aio import rosters
from parallax.contract import lifeline, roster
from parallax.contract.topology import Role
from parallax.supervisor import herald as heralds
from tests.supervisor import crowd as crowds
from tests.support import fakes
from tests.support.wait import wait_until_async

MODEL = fakes.model()
EVERYONE = (Role.POST, Role.INFER, Role.PRE, Role.API)


@pytest.fixture
async def crowd(
    tmp_path: Path, nursery: fakes.Nursery, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[crowds.Crowd]:
    """Processes that run."""
    monkeypatch.setattr(heralds, "ANNOUNCE_EVERY", 0.01)
    made = crowds.Crowd(tmp_path / "roster", nursery)
    async with made.running():
        yield made


def publish(crowd: crowds.Crowd, generation: int, *loading: str) -> int:
    models = tuple(fakes.model(version=version) for version in loading)
    rosters.write(crowd.path, roster.Roster(generation, loading=models))
    return generation


async def test_everyone_knows_when_it_returns(crowd: crowds.Crowd) -> None:
    late = await crowd.herald.announce(publish(crowd, 1), EVERYONE, 5.0)

    assert late == []
    assert all(child.knows == [1] for child in crowd.children)


async def test_who_does_not_answer_is_named_at_the_deadline(crowd: crowds.Crowd) -> None:
    (post,) = crowd.of(Role.POST)
    post.deaf = True

    late = await crowd.herald.announce(publish(crowd, 1), EVERYONE, 0.05)

    assert [each.name for each in late] == ["post:2"]


async def test_a_message_that_was_lost_is_said_again(crowd: crowds.Crowd) -> None:
    (post,) = crowd.of(Role.POST)
    post.deaf = True
    telling = asyncio.ensure_future(crowd.herald.announce(publish(crowd, 1), EVERYONE, 5.0))
    await wait_until_async(lambda: post.fake.fake_line.said, "it is told")
    post.deaf = False

    assert await telling == []


async def test_what_a_predecessor_knew_binds_nobody(crowd: crowds.Crowd) -> None:
    await crowd.herald.announce(publish(crowd, 1), EVERYONE, 5.0)
    (post,) = crowd.of(Role.POST)
    post.fake.end("died")
    await wait_until_async(lambda: len(crowd.of(Role.POST)) == 2, "it is replaced")

    assert await crowd.herald.announce(1, EVERYONE, 5.0) == []

    assert crowd.of(Role.POST)[1].knows == [1]


async def test_a_version_is_loaded_when_every_loop_says_so(crowd: crowds.Crowd) -> None:
    assert await crowd.herald.load(publish(crowd, 1, "v1"), MODEL, 5.0) == ""


async def test_the_reason_of_a_failure_is_returned(crowd: crowds.Crowd) -> None:
    crowd.broken[("m", "v1")] = "out of memory"

    assert await crowd.herald.load(publish(crowd, 1, "v1"), MODEL, 5.0) == "out of memory"


async def test_a_loop_that_dies_once_while_it_loads_tries_again(crowd: crowds.Crowd) -> None:
    crowd.deadly, crowd.deaths = {("m", "v1")}, 1

    assert await crowd.herald.load(publish(crowd, 1, "v1"), MODEL, 5.0) == ""
    assert len(crowd.of(Role.INFER)) == 2


async def test_a_version_that_kills_its_loader_is_given_up(crowd: crowds.Crowd) -> None:
    crowd.deadly = {("m", "v1")}

    reason = await crowd.herald.load(publish(crowd, 1, "v1"), MODEL, 5.0)

    assert reason == "the inference loop dies while it loads this version"


async def test_deaths_before_the_load_are_not_held_against_a_version(crowd: crowds.Crowd) -> None:
    (infer,) = crowd.of(Role.INFER)
    infer.deaf = True
    loading = asyncio.ensure_future(crowd.herald.load(publish(crowd, 1, "v1"), MODEL, 5.0))
    infer.fake.speak(lifeline.Loading("other", "v1"))
    infer.fake.end("killed by SIGKILL")
    await wait_until_async(lambda: len(crowd.of(Role.INFER)) == 2, "it is replaced")
    crowd.of(Role.INFER)[1].fake.end("killed by SIGKILL")

    assert await loading == ""
    assert crowd.herald.trials.verdict((MODEL.id, "v1")) == ""


async def test_a_loop_that_is_ready_loads_nothing(crowd: crowds.Crowd) -> None:
    (infer,) = crowd.of(Role.INFER)
    infer.fake.speak(lifeline.Loading("m", "v1"))
    later = time.monotonic() + 1000.0
    infer.fake.speak(lifeline.Ready())

    assert crowd.herald.trials.overdue("infer:0", later) == ""


async def test_loading_has_a_deadline(crowd: crowds.Crowd) -> None:
    (infer,) = crowd.of(Role.INFER)
    infer.deaf = True

    assert "not loaded within" in await crowd.herald.load(publish(crowd, 1, "v1"), MODEL, 0.05)


async def test_requests_are_over_when_all_api_processes_say_so(crowd: crowds.Crowd) -> None:
    crowd.busy = True
    await crowd.herald.announce(publish(crowd, 1), EVERYONE, 5.0)
    first, second = crowd.of(Role.API)
    first.fake.speak(lifeline.Settled(1))
    assert not crowd.herald.settled(1)

    second.fake.speak(lifeline.Settled(1))

    assert crowd.herald.settled(1)
    assert not crowd.herald.settled(2)


async def test_orders_are_handed_on_with_who_gave_them(crowd: crowds.Crowd) -> None:
    heard: list[tuple[str, lifeline.Order]] = []
    crowd.herald.on_order = lambda asker, order: heard.append((asker.name, order))
    order = lifeline.Order(7, True, "m")

    crowd.of(Role.API)[1].fake.speak(order)

    assert heard == [("api:4", order)]
