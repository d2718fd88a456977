"""Loading and unloading of models on request: one api process asks, the supervisor does it in all
processes.

The state belongs to the supervisor; here are only the questions that wait for its answer.
"""

import asyncio
import secrets
from collections.abc import Callable

from parallax.contract import errors, lifeline, roster
from parallax.gateway import context

MOST_WAITING = 64
"""Orders that one api process may have open at a time."""

_NUMBERS = 2**62


class Control:
    """See ``context.ModelControl``. ``say`` carries an order to the supervisor, whose answer comes
    by ``hear``."""

    def __init__(
        self,
        models: context.Models,
        say: Callable[[lifeline.Order], None],
        clock: Callable[[], float],
    ) -> None:
        self._models = models
        self._say = say
        self._clock = clock
        self._waiting: dict[int, asyncio.Future[lifeline.Obeyed]] = {}

    def hear(self, answer: lifeline.Obeyed) -> None:
        """Take the supervisor's answer; one that nobody waits for any more is dropped."""
        waiting = self._waiting.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def load(self, model_id: str, until: float) -> float:
        """See ``context.ModelControl``."""
        if self._models.get(model_id) is not None:
            return 0.0
        model = self._models.find(model_id)
        if model is None:
            raise self._missing(model_id)
        return (await self._order(model.id, until, load=True)).seconds

    async def unload(self, model_id: str, until: float) -> None:
        """See ``context.ModelControl``."""
        model = self._models.find(model_id)
        if model is not None:
            await self._order(model.id, until, load=False)

    async def clear(self, until: float) -> None:
        """See ``context.ModelControl``."""
        await self._order("", until, load=False)

    async def _order(self, model: str, until: float, *, load: bool) -> lifeline.Obeyed:
        if len(self._waiting) >= MOST_WAITING:
            raise errors.OverloadedError("Too many models are being loaded or unloaded; try again.")
        # At random, because answers to a predecessor of this process must not be taken for ours.
        number = secrets.randbelow(_NUMBERS)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._say(lifeline.Order(number, load, model))
            async with asyncio.timeout(max(0.0, until - self._clock())):
                answer: lifeline.Obeyed = await waiting
        except TimeoutError:
            done = "loaded" if load else "unloaded"
            raise errors.DeadlineExceededError(
                f"{model or 'The last model'} was not {done} within the time given."
            ) from None
        finally:
            del self._waiting[number]
        if answer.code:
            raise errors.from_code(answer.code, answer.message)
        return answer

    def _missing(self, model_id: str) -> errors.ParallaxError:
        for package in self._models.packages:
            if package.id == model_id and package.state is roster.State.REFUSED:
                return errors.ModelRefusedError(
                    f"Model {model_id} cannot be served: {package.reason}"
                )
        return errors.UnknownModelError(f"There is no model {model_id[:100]}.")
