"""A node's processes, without the processes: each answers rosters as a good child does, unless the
test says otherwise."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from parallax.aio import rosters
from parallax.contract import lifeline, roster
from parallax.contract.topology import Role
from parallax.policy import restarts, trials
from parallax.supervisor import herald as heralds
from parallax.supervisor import keeper as keepers
from tests.support import fakes
from tests.support.wait import wait_until_async


class Child:
    """One process and what it does with a roster."""

    def __init__(self, role: Role, fake: fakes.FakeChild, crowd: "Crowd") -> None:
        self.role = role
        self.fake = fake
        self._crowd = crowd
        self.deaf = False
        self.knows: list[int] = []
        fake.fake_line.on_say = self._hear
        fake.speak(lifeline.Ready())

    def _hear(self, message: lifeline.ToChild) -> None:
        if isinstance(message, lifeline.Models) and not self.deaf:
            self._go_by(rosters.read(str(self._crowd.path)))

    def _go_by(self, new: roster.Roster) -> None:
        if self.role is Role.INFER:
            loads = self._crowd.load(self, new)
            if loads is None:
                return
        else:
            loads = ()
        if new.generation not in self.knows:
            self._crowd.seen.append((self.role, new))
            self.knows.append(new.generation)
        self.fake.speak(lifeline.Knows(new.generation, loads))
        if self.role is Role.API and not self._crowd.busy:
            self.fake.speak(lifeline.Settled(new.generation))


class Crowd:
    """One process of each role; two that serve HTTP."""

    ROLES = (Role.INFER, Role.PRE, Role.POST, Role.API, Role.API)

    def __init__(self, path: Path, nursery: fakes.Nursery) -> None:
        self.path = path
        self.nursery = nursery
        self.herald = heralds.Herald(trials.Trials(120.0))
        self.seen: list[tuple[Role, roster.Roster]] = []
        """Who learnt of which roster, in this order."""
        self.children: list[Child] = []
        self.broken: dict[tuple[str, str], str] = {}
        """Why a version cannot be loaded."""
        self.deadly: set[tuple[str, str]] = set()
        """Versions that take their loader down; a death is forgiven after ``deaths`` of them."""
        self.deaths = 10**6
        self.busy = False
        """Whether requests are in flight for what leaves."""
        self._keepers = [self._keeper(role, slot) for slot, role in enumerate(self.ROLES)]
        self.herald.keepers = {
            role: [each for each in self._keepers if each.role is role] for role in self.ROLES
        }

    def of(self, role: Role) -> list[Child]:
        """Return the processes of a role that were ever started."""
        return [child for child in self.children if child.role is role]

    def settle(self) -> None:
        """Let the last request for what leaves be answered."""
        self.busy = False
        newest = rosters.read(str(self.path)).generation
        for child in self.of(Role.API):
            child.fake.speak(lifeline.Settled(newest))

    def load(self, child: Child, new: roster.Roster) -> tuple[lifeline.Load, ...] | None:
        """Load what a roster names; None when the loop died of it."""
        loads = []
        for model in new.loading:
            version = model.id, model.version
            child.fake.speak(lifeline.Loading(*version))
            if version in self.deadly and self.deaths > 0:
                self.deaths -= 1
                child.fake.end("killed by SIGSEGV")
                return None
            loads.append(lifeline.Load(*version, self.broken.get(version, "")))
        return tuple(loads)

    def _keeper(self, role: Role, slot: int) -> keepers.Keeper:
        async def died(pid: int) -> None:
            self.herald.lost(made)

        def launch(hear: Callable[[lifeline.FromChild], None]) -> fakes.FakeChild:
            fake = self.nursery.launch(hear)
            asyncio.get_running_loop().call_soon(
                lambda: self.children.append(Child(role, fake, self))
            )
            return fake

        hooks = keepers.Hooks(lambda: None, died, lambda said: self.herald.hear(made, said))
        made = keepers.Keeper(role, slot, launch, hooks, _backoff=restarts.Backoff(first=0.001))
        return made

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep all processes."""
        tasks = [asyncio.ensure_future(each.run()) for each in self._keepers]
        await wait_until_async(
            lambda: all(each.state == "ready" for each in self._keepers), "all are ready"
        )
        try:
            yield
        finally:
            await asyncio.gather(*(each.stop(patience=1.0) for each in self._keepers))
            await asyncio.gather(*tasks)
