"""Keeps what is served equal to what is on disk and what was asked for.

Two tasks: the watcher reads what has changed, and the loop here loads, switches and retires, one
thing after the other. What is wanted lives on the shelf (``policy.shelf``), how it reaches the
processes in ``supervisor.rollout``.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from parallax.contract import errors, lifeline, spec
from parallax.policy import shelf as shelves
from parallax.settings import concerns
from parallax.supervisor import keeper, model_log, prepare, rollout, room

log = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between two looks while something waits to be retired or answered."""

FREE_PATIENCE = 5.0
"""Seconds that an order to unload waits for the memory to be free, beyond which it is answered
because nothing is admitted any more."""

MOST_ORDERS = 1024


@dataclass(slots=True)
class _Order:
    asker: keeper.Keeper
    wish: lifeline.Order
    since: float
    idle: bool
    """Whether there was nothing to do."""

    def answer(self, problem: errors.ParallaxError | None, now: float) -> None:
        seconds = 0.0 if self.idle else now - self.since
        code, message = (problem.code, problem.message) if problem else ("", "")
        self.asker.say(lifeline.Obeyed(self.wish.number, seconds, code, message))


class ModelKeeper:
    """Serves what the shelf wants."""

    def __init__(
        self,
        settings: concerns.Settings,
        shelf: shelves.Shelf,
        rolling: rollout.Rollout,
        space: room.Room,
    ) -> None:
        self._settings = settings
        self._shelf = shelf
        self._rollout = rolling
        self._room = space
        self._orders: list[_Order] = []
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._pause()
            try:
                await self._work()
            except errors.BrokerUnavailableError as problem:
                log.warning("models are changed when the broker is back: %s", problem)
                self._wake.set()
                await asyncio.sleep(TICK)

    def take(self, readings: Sequence[spec.Reading], gone: Sequence[str]) -> None:
        """Take in what the watcher has read."""
        for place in gone:
            model_log.gone(self._shelf.at(place))
            self._shelf.drop(place)
        for reading in readings:
            model_log.read(reading, self._shelf.at(reading.place))
            self._shelf.take(reading)
        self._wake.set()

    def order(self, asker: keeper.Keeper, wish: lifeline.Order) -> None:
        """Load or unload what an api process asks for; it is answered when that is done."""
        now = time.monotonic()
        if len(self._orders) >= MOST_ORDERS:
            busy = errors.OverloadedError("too many models are being loaded or unloaded")
            _Order(asker, wish, now, True).answer(busy, now)
            return
        if wish.load:
            idle = self._serves(wish.model)
            self._shelf.load(wish.model)
        else:
            idle = not self._serves(wish.model)
            self._shelf.unload(wish.model)
        self._orders.append(_Order(asker, wish, now, idle))
        self._wake.set()

    async def _work(self) -> None:
        await self._read_demo()
        while True:
            await self._switch()
            await self._rollout.retire()
            self._answer()
            model = self._shelf.next()
            if model is None:
                return
            await self._load(model)

    async def _switch(self) -> None:
        shelf, now = self._shelf, self._rollout.roster
        wanted = shelf.serving(), shelf.others(), shelf.rows()
        if wanted != (now.serving, now.unloaded, now.packages) or now.loading:
            model_log.switched(now.serving, wanted[0], wanted[2])
            await self._rollout.switch(*wanted)

    async def _load(self, model: spec.ModelSpec) -> None:
        fitting, reason = self._room.admit(model)
        if not reason:
            reason = await self._rollout.load(fitting)
        if reason:
            model_log.refused(model, reason, self._rollout.roster.serving)
            self._shelf.refuse(model, reason)
        else:
            self._shelf.loaded(model, fitting)

    async def _read_demo(self) -> None:
        if self._shelf.lacks_demo:
            for reading in await prepare.read(self._settings, (shelves.DEMO_PLACE,)):
                model_log.demo(reading)
                self._shelf.take(reading)

    def _answer(self) -> None:
        now = time.monotonic()
        waiting, self._orders = self._orders, []
        for order in waiting:
            model = order.wish.model
            if order.wish.load:
                problem = self._shelf.verdict(model)
                done = problem is not None or self._serves(model)
            else:
                problem, done = None, self._is_free(model) or now - order.since > FREE_PATIENCE
            if done:
                order.answer(problem, now)
            else:
                self._orders.append(order)

    def _serves(self, model_id: str) -> bool:
        """Say whether a model is served (empty: any)."""
        return any(model_id in (model.id, "") for model in self._rollout.roster.serving)

    def _is_free(self, model_id: str) -> bool:
        """Say whether a model that was to be unloaded takes no memory, or shall be served again."""
        wanted = {model.id for model in self._shelf.serving()}
        return not any(
            model_id in (model.id, "") and model.id not in wanted
            for model in self._rollout.roster.known
        )

    async def _pause(self) -> None:
        patience = TICK if self._orders or self._rollout.leaving else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._wake.wait()
        self._wake.clear()


def at_start(readings: Sequence[spec.Reading]) -> shelves.Shelf:
    """Return the shelf of a server that loads at its start all that can be read."""
    shelf = shelves.Shelf()
    for reading in readings:
        shelf.take(reading)
    while (model := shelf.next()) is not None:
        shelf.loaded(model, model)
    return shelf
