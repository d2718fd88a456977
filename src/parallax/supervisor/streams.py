"""The work streams of a node: which there are now, and who has seats at each."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parallax.broker import base, housekeeping, keys
from parallax.contract import errors
from parallax.contract.topology import Stage

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Streams:
    """Opens and closes the streams of models that come and go."""

    broker: base.AsyncBroker
    keys: keys.Keys
    current: dict[str, Stage]
    """Name and reader of each; whoever holds on to it sees the changes."""
    consumers: Mapping[Stage, Sequence[str]]
    """All names under which entries of a stage are read."""

    async def open(self, model_id: str) -> None:
        """Make the stream of a model."""
        name = self.keys.infer(model_id)
        if name not in self.current:
            await self.broker.execute(housekeeping.EnsureGroups(((name, Stage.INFER),)))
            self.current[name] = Stage.INFER

    async def close(self, model_id: str) -> None:
        """Remove the stream of a model, unless something is still in it."""
        name = self.keys.infer(model_id)
        stage = self.current.pop(name, None)
        if stage is not None:
            await self._retire(name, stage)

    async def close_all(self) -> None:
        """Leave nothing of ours on a broker that outlives us, except what is still unanswered."""
        for name, stage in tuple(self.current.items()):
            await self._retire(name, stage)

    def seats(self) -> Iterator[tuple[str, base.Holder]]:
        """Yield each stream with each of its consumers."""
        for name, stage in tuple(self.current.items()):
            for consumer in self.consumers[stage]:
                yield name, base.Holder(stage, consumer)

    async def _retire(self, name: str, stage: Stage) -> None:
        holders = [base.Holder(stage, consumer) for consumer in self.consumers[stage]]
        ops = [
            *(housekeeping.Forget(name, holder) for holder in holders),
            housekeeping.Retire(name, stage),
        ]
        for op in ops:
            try:
                await self.broker.execute(op)
            except errors.ParallaxError as problem:
                log.debug("left undone on the broker: %s", problem)
