"""What is on disk and what was asked for becomes what is served."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from parallax.contract import lifeline, spec
from parallax.contract.topology import Role
from parallax.policy import shelf as shelves
from parallax.settings import concerns
from parallax.slab import file as files
from parallax.supervisor import herald as heralds
from parallax.supervisor import model_keeper, plan, prepare, room
from tests.supervisor import crowd as crowds
from tests.supervisor import test_rollout as rollouts
from tests.support import fakes
from tests.support.wait import wait_until_async

V1, V2, OTHER = rollouts.V1, rollouts.V2, fakes.model("other")


class Tmpfs:
    """Has room for everything."""

    def reserve(self, needed: Sequence[int]) -> bool:
        return True


def reading(model: spec.ModelSpec) -> spec.Reading:
    return spec.Reading(f"/{model.id}", f"/{model.id}", model.id, model)


class Site(rollouts.Site):
    """A crowd, a roll-out and a keeper that serves ``m``."""

    def __init__(self, crowd: crowds.Crowd) -> None:
        super().__init__(crowd)
        settings = concerns.Settings(
            workers=concerns.WorkerSettings(cpu_workers=1, devices=("cpu",))
        )
        planned = plan.make(settings, (V1,), cpus=1)
        space = room.Room(planned, cast(files.SlabFile, Tmpfs()))
        self.shelf = model_keeper.at_start([reading(V1)])
        self.keeper = model_keeper.ModelKeeper(settings, self.shelf, self.rollout, space)
        crowd.herald.on_order = self.keeper.order
        self._numbers = iter(range(1, 100))

    def served(self) -> set[tuple[str, str]]:
        return {(each.id, each.version) for each in self.rollout.roster.serving}

    async def until_served(self, *models: spec.ModelSpec) -> None:
        wanted = {(each.id, each.version) for each in models}
        await wait_until_async(
            lambda: self.served() == wanted and not self.rollout.leaving, f"{wanted} are served"
        )

    def order(self, model: str, *, load: bool) -> int:
        """Ask for something as the first api process; return the number of the order."""
        number = next(self._numbers)
        self.asker.fake.speak(lifeline.Order(number, load, model))
        return number

    @property
    def asker(self) -> crowds.Child:
        return self.crowd.of(Role.API)[0]

    def answers(self) -> dict[int, lifeline.Obeyed]:
        said = self.asker.fake.fake_line.said
        return {each.number: each for each in said if isinstance(each, lifeline.Obeyed)}

    async def answer(self, number: int) -> lifeline.Obeyed:
        await wait_until_async(lambda: number in self.answers(), f"order {number} is answered")
        return self.answers()[number]


@pytest.fixture
async def site(
    tmp_path: Path, nursery: fakes.Nursery, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    """A node that keeps its models."""
    monkeypatch.setattr(heralds, "ANNOUNCE_EVERY", 0.01)
    monkeypatch.setattr(model_keeper, "TICK", 0.005)
    crowd = crowds.Crowd(tmp_path / "roster", nursery)
    made = Site(crowd)
    async with crowd.running():
        task = asyncio.ensure_future(made.keeper.run())
        yield made
        task.cancel()
        await asyncio.wait({task})


async def test_a_new_package_is_served(site: Site) -> None:
    site.keeper.take([reading(OTHER)], ())

    await site.until_served(V1, OTHER)


async def test_a_new_version_replaces_the_old_one(site: Site) -> None:
    site.keeper.take([reading(V2)], ())

    await site.until_served(V2)


async def test_a_removed_package_is_dropped(site: Site) -> None:
    site.keeper.take([reading(OTHER)], ())
    await site.until_served(V1, OTHER)
    site.keeper.take([], ("/m",))

    await site.until_served(OTHER)


async def test_a_version_that_fails_on_a_device_leaves_the_old_one(site: Site) -> None:
    site.crowd.broken[("m", "v2")] = "out of memory"
    site.keeper.take([reading(V2), reading(OTHER)], ())
    await site.until_served(V1, OTHER)

    reasons = {row.id: row.reason for row in site.rollout.roster.packages}
    assert reasons == {"m": "out of memory", "other": ""}


async def test_an_input_that_does_not_fit_is_refused(site: Site) -> None:
    large = fakes.model("other", side=4096)
    site.keeper.take([reading(large)], ())
    await wait_until_async(
        lambda: any(row.reason for row in site.rollout.roster.packages), "it is refused"
    )

    assert site.served() == {("m", "v1")}
    assert "needs a restart" in site.rollout.roster.packages[1].reason


async def test_the_demo_model_is_read_when_nothing_is_left(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = fakes.model("demo")

    async def read(settings: concerns.Settings, places: Sequence[str]) -> tuple[spec.Reading, ...]:
        assert places == (shelves.DEMO_PLACE,)
        return (spec.Reading(shelves.DEMO_PLACE, "demo.onnx", "demo", demo),)

    monkeypatch.setattr(prepare, "read", read)
    site.keeper.take([], ("/m",))

    await site.until_served(demo)


class TestOrders:
    """Loading and unloading for an api process."""

    async def test_an_order_is_answered_when_all_know(self, site: Site) -> None:
        unloaded = await site.answer(site.order("m", load=False))
        assert (unloaded.code, site.served()) == ("", set())

        loaded = await site.answer(site.order("m", load=True))

        assert (loaded.code, site.served()) == ("", {("m", "v1")})
        assert loaded.seconds > 0
        generation = site.rollout.roster.generation
        assert all(generation in child.knows for child in site.crowd.children)

    async def test_what_is_so_already_takes_no_time(self, site: Site) -> None:
        assert (await site.answer(site.order("m", load=True))).seconds == 0.0
        assert (await site.answer(site.order("cat", load=False))).seconds == 0.0

    async def test_an_unknown_model_is_an_error(self, site: Site) -> None:
        assert (await site.answer(site.order("cat", load=True))).code == "unknown_model"

    async def test_a_failure_is_told_with_its_reason(self, site: Site) -> None:
        await site.answer(site.order("m", load=False))
        site.crowd.broken[("m", "v1")] = "out of memory"

        answer = await site.answer(site.order("m", load=True))

        assert (answer.code, "out of memory" in answer.message) == ("model_refused", True)

    async def test_loads_of_one_model_are_one_load(self, site: Site) -> None:
        await site.answer(site.order("m", load=False))
        before = site.rollout.roster.generation
        numbers = [site.order("m", load=True) for _ in range(5)]
        for number in numbers:
            assert (await site.answer(number)).code == ""

        loads = [
            known
            for known in site.learnt(Role.INFER)
            if known.generation > before and known.loading
        ]
        assert len(loads) == 1

    async def test_all_can_be_unloaded(self, site: Site) -> None:
        site.keeper.take([reading(OTHER)], ())
        await site.until_served(V1, OTHER)

        await site.answer(site.order("", load=False))

        assert site.served() == set()

    async def test_unloading_waits_for_the_memory_but_not_for_ever(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_keeper, "FREE_PATIENCE", 0.05)
        site.crowd.busy = True
        began = time.monotonic()
        answer = await site.answer(site.order("m", load=False))

        assert (answer.code, site.served()) == ("", set())
        assert time.monotonic() - began >= 0.05
        assert site.rollout.leaving

    async def test_orders_are_bounded(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(model_keeper, "MOST_ORDERS", 0)

        assert (await site.answer(site.order("m", load=True))).code == "overloaded"
