"""Models that come and go beside a loop that runs."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from parallax.contract import errors, lifeline, roster, spec
from parallax.engine import session as sessions
from parallax.workers import inference, loader
from tests.support import fakes
from tests.support.wait import wait_until_async
from tests.workers import test_inference as loops
from tests.workers import world as worlds

OLD, NEW = fakes.model("m", version="v1"), fakes.model("m", version="v2")
OTHER = fakes.model("other")


class Stand:
    """A loop with a loader; the device fails for the versions in ``broken``."""

    def __init__(self, world: worlds.World) -> None:
        self.loop = inference.InferenceLoop(loops.bench(world, fakes.FakeSession(OLD)), loops.GPU)
        self.roster = roster.Roster(0, serving=(OLD,))
        self.broken: dict[tuple[str, str], Exception] = {}
        self.loads: list[tuple[str, str]] = []
        self.may_load = threading.Event()
        self.may_load.set()
        self.said: list[lifeline.FromChild] = []
        self.loader = loader.Loader(self.loop, self.load, lambda: self.roster, self.said.append)

    def load(self, model: spec.ModelSpec) -> sessions.Session:
        version = model.id, model.version
        self.loads.append(version)
        assert self.may_load.wait(10)
        if version in self.broken:
            raise self.broken[version]
        return fakes.FakeSession(model).as_session()

    async def tell(self, new: roster.Roster) -> lifeline.Knows:
        """Announce a roster and return the answer."""
        self.roster = new
        before = len(self.said)
        self.loader.call()
        await wait_until_async(lambda: len(self.said) > before, "it answers")
        answer = self.said[-1]
        assert isinstance(answer, lifeline.Knows)
        return answer

    @property
    def loaded(self) -> set[tuple[str, str]]:
        return set(self.loop.loaded)


@asynccontextmanager
async def working(world: worlds.World) -> AsyncIterator[Stand]:
    stand = Stand(world)
    task = asyncio.ensure_future(stand.loader.run())
    async with loops.following(stand.loop):
        yield stand
    task.cancel()


async def test_a_candidate_is_loaded_beside_the_rest_and_not_used_yet(world: worlds.World) -> None:
    async with working(world) as stand:
        answer = await stand.tell(roster.Roster(1, serving=(OLD,), loading=(OTHER,)))

        assert answer == lifeline.Knows(1, (lifeline.Load("other", "v1"),))
        assert stand.loaded == {("m", "v1"), ("other", "v1")}
        assert stand.loop.streams == (worlds.KEYS.infer("m"),)


async def test_a_candidate_that_is_served_is_not_loaded_again(world: worlds.World) -> None:
    async with working(world) as stand:
        await stand.tell(roster.Roster(1, serving=(OLD,), loading=(NEW,)))
        answer = await stand.tell(roster.Roster(2, serving=(NEW,), leaving=(OLD,)))
        assert (answer.loads, stand.loaded) == ((), {("m", "v1"), ("m", "v2")})

        await stand.tell(roster.Roster(3, serving=(NEW,)))

        assert (stand.loaded, stand.loads) == ({("m", "v2")}, [("m", "v2")])


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (errors.ModelRefusedError("m.onnx: out of memory"), "m.onnx: out of memory"),
        (RuntimeError("boom"), "m.onnx: it cannot be loaded: boom"),
    ],
)
async def test_a_version_that_cannot_be_loaded_is_reported_and_disturbs_nothing(
    world: worlds.World, problem: Exception, reason: str
) -> None:
    async with working(world) as stand:
        stand.broken[("m", "v2")] = problem
        answer = await stand.tell(roster.Roster(1, serving=(OLD,), loading=(NEW,)))

        assert answer.loads == (lifeline.Load("m", "v2", reason),)
        assert stand.loaded == {("m", "v1")}
        world.submit_tensor("r", value=4)
        assert await loops.ends(world, 1) == {"r": 4.0}


async def test_an_announcement_that_is_repeated_is_answered_and_not_tried_again(
    world: worlds.World,
) -> None:
    async with working(world) as stand:
        stand.broken[("m", "v2")] = errors.ModelRefusedError("no")
        first = await stand.tell(roster.Roster(1, serving=(OLD,), loading=(NEW,)))
        second = await stand.tell(stand.roster)

        assert (first, stand.loads) == (second, [("m", "v2")])


async def test_the_loop_works_while_a_version_is_loaded(world: worlds.World) -> None:
    async with working(world) as stand:
        stand.may_load.clear()
        stand.roster = roster.Roster(1, serving=(OLD,), loading=(NEW,))
        stand.loader.call()
        await wait_until_async(lambda: stand.loads, "it is being loaded")
        world.submit_tensor("r", value=4)
        assert await loops.ends(world, 1) == {"r": 4.0}
        assert stand.said == []
        stand.may_load.set()
        await wait_until_async(lambda: stand.said, "it is loaded")


async def test_everything_may_go(world: worlds.World) -> None:
    async with working(world) as stand:
        await stand.tell(roster.Roster(1))

        assert (stand.loaded, stand.loop.streams) == (set(), ())


def test_what_a_loop_begins_with_must_load() -> None:
    def load(model: spec.ModelSpec) -> sessions.Session:
        raise errors.ModelRefusedError(f"{model.id} is broken")

    with pytest.raises(errors.ModelRefusedError, match="m is broken"):
        loader.load_all(load, (OLD, OTHER))
