"""Carries a new set of models to all processes, so that no request meets a process that does not
know its model.

    load:    inference loops load a version beside the rest; nobody else may use it yet
    switch:  post and infer, then pre, then api learn what is served; what was served before leaves
    retire:  when the last request for what leaves is answered (or can be no more), everyone forgets
             it: sessions and their memory go, and streams that nobody writes to
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from parallax.aio import rosters
from parallax.contract import roster, spec
from parallax.contract.topology import Role
from parallax.supervisor import herald
from parallax.supervisor.streams import Streams

log = logging.getLogger(__name__)

LOAD_PATIENCE = 900.0
"""Seconds for inference loops to answer that they loaded a version, or why not: more than those
take that are killed over it and start again."""

KNOW_PATIENCE = 5.0
"""Seconds for processes to answer that they go by a roster. One that stands still for longer is
killed, and its successor reads the newest."""

KEEP_MARGIN = 5.0
"""Seconds beyond the request timeout for which what leaves is kept at most."""

Version = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Leaving:
    model: spec.ModelSpec
    generation: int
    """Of the roster that serves it no more."""
    until: float


class Rollout:
    """The roster of a node and its changes, one at a time."""

    def __init__(
        self, path: Path, crier: herald.Herald, streams: Streams, first: roster.Roster, keep: float
    ) -> None:
        self._path = path
        self._herald = crier
        self._streams = streams
        self._keep = keep
        self._leaving: dict[Version, _Leaving] = {}
        self.roster = first
        rosters.write(path, first)

    async def load(self, model: spec.ModelSpec) -> str:
        """Have every inference loop load a version; return why that failed, empty if it did not."""
        generation = self._publish(loading=(model,))
        return await self._herald.load(generation, model, LOAD_PATIENCE)

    async def show(self, packages: Sequence[roster.Package]) -> None:
        """Let the api processes tell what is being done; nothing else changes."""
        generation = self._publish(packages=tuple(packages))
        await self._herald.announce(generation, (Role.API,), KNOW_PATIENCE)

    async def switch(
        self,
        serving: Sequence[spec.ModelSpec],
        others: Sequence[spec.ModelSpec],
        packages: Sequence[roster.Package],
    ) -> None:
        """Serve these from now on, in every process when this returns."""
        for model in serving:
            await self._streams.open(model.id)
        versions = {_version(model) for model in serving}
        until = time.monotonic() + self._keep
        for model in self.roster.serving:
            if _version(model) not in versions:
                leaving = _Leaving(model, self.roster.generation + 1, until)
                self._leaving[_version(model)] = leaving
        for version in versions & self._leaving.keys():
            del self._leaving[version]
        generation = self._publish(
            serving=tuple(serving),
            loading=(),
            leaving=self._left(),
            unloaded=tuple(others),
            packages=tuple(packages),
        )
        await self._everyone(generation)

    @property
    def leaving(self) -> bool:
        """Whether something waits to be retired."""
        return bool(self._leaving)

    async def retire(self) -> bool:
        """Forget what no request refers to any more; say whether there was anything."""
        now = time.monotonic()
        over = [
            version
            for version, leaving in self._leaving.items()
            if now >= leaving.until or self._herald.settled(leaving.generation)
        ]
        if not over:
            return False
        for version in over:
            del self._leaving[version]
        await self._everyone(self._publish(leaving=self._left()))
        still = {model.id for model in self.roster.known}
        for model_id in {model_id for model_id, _ in over} - still:
            await self._streams.close(model_id)
        return True

    def _left(self) -> tuple[spec.ModelSpec, ...]:
        return tuple(leaving.model for leaving in self._leaving.values())

    async def _everyone(self, generation: int) -> None:
        for roles in ((Role.POST, Role.INFER), (Role.PRE,), (Role.API,)):
            late = await self._herald.announce(generation, roles, KNOW_PATIENCE)
            for each in late:
                log.warning("%s does not answer that it goes by roster %d", each.name, generation)

    def _publish(self, **changes: object) -> int:
        generation = self.roster.generation + 1
        self.roster = structs.replace(self.roster, generation=generation, **changes)
        rosters.write(self._path, self.roster)
        return generation


def _version(model: spec.ModelSpec) -> Version:
    return model.id, model.version
