"""The order in which processes learn of models, and when what leaves is gone."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from parallax.broker import housekeeping, keys, memory
from parallax.contract import roster, spec
from parallax.contract.topology import Role, Stage
from parallax.supervisor import herald as heralds
from parallax.supervisor import rollout as rollouts
from parallax.supervisor.streams import Streams
from tests.supervisor import crowd as crowds
from tests.support import fakes

KEYS = keys.Keys("test", "n1")
V1, V2 = fakes.model(version="v1"), fakes.model(version="v2")
NEW = fakes.model("new")
KEEP = 60.0


@dataclass
class Site:
    """A crowd with a roll-out whose first roster serves ``m``."""

    crowd: crowds.Crowd
    keep: float = KEEP
    store: memory.Memory = field(default_factory=lambda: memory.Memory(time.monotonic))

    def __post_init__(self) -> None:
        self.broker = memory.connect_async(self.store, KEYS)
        consumers = {Stage.PRE: ["p"], Stage.INFER: ["i", "sweeper"], Stage.POST: ["q"]}
        self.streams = Streams(self.broker, KEYS, KEYS.streams(("m",)), consumers)
        first = roster.Roster(0, serving=(V1,))
        self.rollout = rollouts.Rollout(
            self.crowd.path, self.crowd.herald, self.streams, first, self.keep
        )

    async def switch(self, *serving: spec.ModelSpec) -> None:
        await self.rollout.switch(serving, (), ())

    def learnt(self, role: Role) -> list[roster.Roster]:
        return [known for who, known in self.crowd.seen if who is role]

    async def exists(self, stream: str) -> bool:
        return stream in self.store.store.names()


@pytest.fixture
async def site(
    tmp_path: Path, nursery: fakes.Nursery, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    """Processes that run."""
    monkeypatch.setattr(heralds, "ANNOUNCE_EVERY", 0.01)
    crowd = crowds.Crowd(tmp_path / "roster", nursery)
    made = Site(crowd)
    await made.broker.execute(housekeeping.EnsureGroups(tuple(made.streams.current.items())))
    async with crowd.running():
        yield made


async def test_a_version_is_loaded_before_anybody_may_use_it(site: Site) -> None:
    assert await site.rollout.load(V2) == ""

    assert [each.loading for each in site.learnt(Role.INFER)] == [(V2,)]
    assert site.rollout.roster.serving == (V1,)
    assert not site.learnt(Role.PRE)


async def test_nobody_sends_what_the_next_stage_does_not_know(site: Site) -> None:
    await site.rollout.load(V2)
    site.crowd.seen.clear()
    await site.switch(V2)

    order = [role for role, _ in site.crowd.seen]
    assert set(order[:2]) == {Role.POST, Role.INFER}
    assert order[2:] == [Role.PRE, Role.API, Role.API]


async def test_the_old_version_stays_known_while_requests_need_it(site: Site) -> None:
    site.crowd.busy = True
    await site.rollout.load(V2)
    await site.switch(V2)
    assert not await site.rollout.retire()
    assert (site.rollout.roster.leaving, site.rollout.leaving) == ((V1,), True)

    site.crowd.settle()

    assert await site.rollout.retire()
    assert (site.rollout.roster.leaving, site.rollout.leaving) == ((), False)
    assert site.learnt(Role.INFER)[-1].known == (V2,)
    assert await site.exists(KEYS.infer("m")), "its stream is that of the new version"


async def test_a_new_model_has_a_stream_before_it_is_served(site: Site) -> None:
    await site.rollout.load(NEW)
    await site.switch(V1, NEW)

    assert await site.exists(KEYS.infer("new"))
    assert site.streams.current[KEYS.infer("new")] is Stage.INFER


async def test_a_model_that_is_gone_leaves_no_stream(site: Site) -> None:
    await site.switch()
    assert await site.exists(KEYS.infer("m")), "its last requests are still under way"

    await site.rollout.retire()

    assert not await site.exists(KEYS.infer("m"))
    assert KEYS.infer("m") not in site.streams.current


async def test_requests_that_never_end_keep_nothing_for_ever(site: Site) -> None:
    site.rollout._keep = 0.0
    site.crowd.busy = True
    await site.switch()

    assert await site.rollout.retire()

    assert site.rollout.roster.known == ()


async def test_a_model_that_comes_back_while_it_leaves_stays(site: Site) -> None:
    site.crowd.busy = True
    await site.switch()
    await site.switch(V1)
    site.crowd.settle()

    assert not await site.rollout.retire()
    assert (site.rollout.roster.serving, site.rollout.roster.leaving) == ((V1,), ())
    assert await site.exists(KEYS.infer("m"))


async def test_generations_rise_and_a_child_reads_the_newest(site: Site) -> None:
    await site.rollout.load(V2)
    await site.switch(V2)

    generations = [known.generation for known in site.learnt(Role.INFER)]
    assert generations == sorted(set(generations))
    assert generations[-1] == site.rollout.roster.generation
