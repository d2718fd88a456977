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
        self._asked: dict[int, _Asked] = {}
        self._loading: dict[str, _Asked] = {}
        """The open order by which a model is being loaded; later requests for it share that."""

    def hear(self, answer: lifeline.Obeyed) -> None:
        """Take the supervisor's answer; one that nobody waits for any more is dropped."""
        asked = self._asked.get(answer.number)
        if asked is not None and not asked.answer.done():
            asked.answer.set_result(answer)

    async def load(self, model_id: str, until: float) -> float:
        """See ``context.ModelControl``."""
        if self._models.get(model_id) is not None:
            return 0.0
        model = self._models.find(model_id)
        if model is None:
            raise self._missing(model_id)
        asked = self._loading.get(model.id)
        if asked is None or asked.answer.done():
            asked = self._loading[model.id] = self._ask(model.id, load=True)
        return (await self._answer(asked, until)).seconds

    async def unload(self, model_id: str, until: float) -> None:
        """See ``context.ModelControl``."""
        model = self._models.find(model_id)
        if model is not None:
            # Who asks for it from now on means: load it again.
            self._loading.pop(model.id, None)
            await self._answer(self._ask(model.id, load=False), until)

    async def clear(self, until: float) -> None:
        """See ``context.ModelControl``."""
        self._loading.clear()
        await self._answer(self._ask("", load=False), until)

    def _ask(self, model: str, *, load: bool) -> "_Asked":
        if len(self._asked) >= MOST_WAITING:
            raise errors.OverloadedError("Too many models are being loaded or unloaded; try again.")
        # At random, because answers to a predecessor of this process must not be taken for ours.
        order = lifeline.Order(secrets.randbelow(_NUMBERS), load, model)
        asked = self._asked[order.number] = _Asked(order)
        self._say(order)
        return asked

    async def _answer(self, asked: "_Asked", until: float) -> lifeline.Obeyed:
        asked.waiters += 1
        try:
            async with asyncio.timeout(max(0.0, until - self._clock())):
                # One who gives up must not take the answer from the others.
                answer = await asyncio.shield(asked.answer)
        except TimeoutError:
            done = "loaded" if asked.order.load else "unloaded"
            raise errors.DeadlineExceededError(
                f"{asked.order.model or 'The last model'} was not {done} within the time given."
            ) from None
        finally:
            asked.waiters -= 1
            if not asked.waiters:
                self._forget(asked)
        if answer.code:
            raise errors.from_code(answer.code, answer.message)
        return answer

    def _forget(self, asked: "_Asked") -> None:
        del self._asked[asked.order.number]
        if self._loading.get(asked.order.model) is asked:
            del self._loading[asked.order.model]

    def _missing(self, model_id: str) -> errors.ParallaxError:
        for package in self._models.packages:
            if package.id == model_id and package.state is roster.State.REFUSED:
                return errors.ModelRefusedError(
                    f"Model {model_id} cannot be served: {package.reason}"
                )
        return errors.UnknownModelError(f"There is no model {model_id[:100]}.")


class _Asked:
    """An order, and who waits for the answer to it."""

    __slots__ = ("answer", "order", "waiters")

    def __init__(self, order: lifeline.Order) -> None:
        self.order = order
        self.answer: asyncio.Future[lifeline.Obeyed] = asyncio.get_running_loop().create_future()
        self.waiters = 0
