"""Loads and drops models while an inference loop runs, as the roster says.

Loading happens in a thread, beside the runs: the loop goes on serving what it has. A version that
cannot be loaded is reported and changes nothing else.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from parallax.contract import errors, lifeline, roster, spec
from parallax.engine import session as sessions
from parallax.workers import inference, known, metrics

log = logging.getLogger(__name__)

Load = Callable[[spec.ModelSpec], sessions.Session]
"""Returns a model loaded and warm. May raise anything: a model is foreign code."""


def load_all(
    load: Load, models: tuple[spec.ModelSpec, ...]
) -> dict[known.Version, sessions.Session]:
    """Load what a loop begins with.

    Raises:
        ModelRefusedError: one of them cannot be loaded.
    """
    return {known.version_of(model): measured(load, model) for model in models}


def measured(load: Load, model: spec.ModelSpec) -> sessions.Session:
    """Load a model and count how that went."""
    started = time.monotonic()
    try:
        loaded = load(model)
    except BaseException:
        metrics.MODEL_LOADS.labels(model.id, "refused").inc()
        raise
    metrics.MODEL_LOADS.labels(model.id, "ok").inc()
    metrics.MODEL_LOAD_SECONDS.labels(model.id).observe(time.monotonic() - started)
    return loaded


class Loader:
    """Makes a loop go by rosters, one after the other; the newest wins."""

    def __init__(
        self,
        loop: inference.InferenceLoop,
        load: Load,
        read: Callable[[], roster.Roster],
        say: Callable[[lifeline.FromChild], None],
    ) -> None:
        self._loop = loop
        self._load = load
        self._read = read
        self._say = say
        self._called = asyncio.Event()
        self._last = lifeline.Knows(-1)

    def call(self) -> None:
        """There may be a new roster."""
        self._called.set()

    async def run(self) -> None:
        """Follow the roster for ever."""
        while True:
            await self._called.wait()
            self._called.clear()
            new = self._read()
            if new.generation > self._last.generation:
                self._last = await self._go_by(new)
            self._say(self._last)

    async def _go_by(self, new: roster.Roster) -> lifeline.Knows:
        before = self._loop.loaded
        have: dict[known.Version, sessions.Session] = {}
        loads: list[lifeline.Load] = []
        for model in (*new.known, *new.loading):
            version = known.version_of(model)
            if version in before:
                have[version] = before[version]
                continue
            reason = await self._try(model, have)
            loads.append(lifeline.Load(model.id, model.version, reason))
        wanted = {known.version_of(model) for model in new.known} & have.keys()
        await self._loop.serve(have, wanted)
        return lifeline.Knows(new.generation, tuple(loads))

    async def _try(self, model: spec.ModelSpec, have: dict[known.Version, sessions.Session]) -> str:
        """Load a model into ``have``; return why that failed, empty if it did not."""
        try:
            have[known.version_of(model)] = await asyncio.to_thread(measured, self._load, model)
        except errors.ParallaxError as problem:
            return problem.message
        except Exception as problem:  # the model is foreign code
            log.exception("model %s cannot be loaded", model.id)
            return f"{model.source}: it cannot be loaded: {problem}"
        return ""
