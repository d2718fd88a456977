"""Tells the children of a new roster and waits until they go by it.

A message over a lifeline may be lost (the child is not reading) and a child may die before it
answers; so a roster is announced again and again until it is known, under one deadline.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from parallax.contract import lifeline, spec
from parallax.contract.topology import Role
from parallax.policy import trials as policy
from parallax.supervisor import keeper

ANNOUNCE_EVERY = 0.5
"""Seconds after which a roster is announced once more to who has not answered."""


@dataclass(frozen=True, slots=True)
class _Word:
    """The last word of one process."""

    pid: int
    knows: int = -1
    settled: int = -1
    loads: tuple[lifeline.Load, ...] = ()


class Herald:
    """Knows which generation each process goes by, and what each inference loop is loading."""

    def __init__(self, trials: policy.Trials) -> None:
        self.trials = trials
        self.on_order: Callable[[keeper.Keeper, lifeline.Order], None] = lambda asker, order: None
        """Called with what api processes ask for."""
        self._words: dict[str, _Word] = {}
        self._news = asyncio.Event()
        self.keepers: Mapping[Role, Sequence[keeper.Keeper]] = {}

    def hear(self, speaker: keeper.Keeper, message: lifeline.FromChild) -> None:
        """Take note of what a process says."""
        word = self._word(speaker)
        match message:
            case lifeline.Loading():
                version = message.model, message.version
                self.trials.begin(speaker.name, version, time.monotonic())
                return
            case lifeline.Ready():
                self.trials.end(speaker.name)
                return
            case lifeline.Knows():
                self.trials.end(speaker.name)
                word = _Word(speaker.pid, message.generation, word.settled, message.loads)
            case lifeline.Settled():
                word = _Word(speaker.pid, word.knows, message.generation, word.loads)
            case lifeline.Order():
                self.on_order(speaker, message)
            case _:
                return
        self._words[speaker.name] = word
        self._news.set()

    def lost(self, dead: keeper.Keeper) -> None:
        """Take note of an unexpected death."""
        self.trials.died(dead.name)
        self._news.set()

    async def announce(
        self, generation: int, roles: Iterable[Role], patience: float
    ) -> list[keeper.Keeper]:
        """Wait until every process of these roles that is ready goes by a generation.

        Returns:
            Those that did not within ``patience`` seconds: they are stopped or as good as dead, and
            others look after that.
        """
        chosen = [each for role in roles for each in self.keepers[role]]
        until = time.monotonic() + patience
        while True:
            late = [each for each in chosen if self._word(each).knows < generation]
            for each in late:
                each.say(lifeline.Models(generation))
            # Who is still starting reads the newest roster by itself.
            late = [each for each in late if each.state == "ready"]
            if not late or time.monotonic() >= until:
                return late
            await self.pause()

    async def load(self, generation: int, model: spec.ModelSpec, patience: float) -> str:
        """Have every inference loop load a version; return why that failed, empty if it did not."""
        loops = self.keepers[Role.INFER]
        version = model.id, model.version
        self.trials.forget(version)
        until = time.monotonic() + patience
        while True:
            late = [each for each in loops if self._word(each).knows < generation]
            reason = _why_not([self._word(each) for each in loops], model)
            if reason or not late:
                return reason
            if reason := self.trials.verdict(version):
                self.trials.forget(version)
                return reason
            if time.monotonic() >= until:
                return f"it was not loaded within {patience:.0f} s"
            for each in late:
                each.say(lifeline.Models(generation))
            await self.pause()

    def settled(self, generation: int) -> bool:
        """Say whether every api process that is ready has answered all that older generations
        admitted and this one would not."""
        apis = [each for each in self.keepers[Role.API] if each.state == "ready"]
        return all(self._word(each).settled >= generation for each in apis)

    async def pause(self) -> None:
        """Wait for news, at most until it is time to announce again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANNOUNCE_EVERY):
                await self._news.wait()
        self._news.clear()

    def _word(self, of: keeper.Keeper) -> _Word:
        word = self._words.get(of.name)
        # What a predecessor said binds nobody.
        return word if word is not None and word.pid == of.pid else _Word(of.pid)


def _why_not(words: Iterable[_Word], model: spec.ModelSpec) -> str:
    """Return why a loop could not load a version; empty if none said so."""
    for word in words:
        for load in word.loads:
            if (load.model, load.version) == (model.id, model.version) and load.reason:
                return load.reason
    return ""
