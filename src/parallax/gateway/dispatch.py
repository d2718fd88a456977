"""Detection without a transport: pictures in, answers or one named error out.

Every HTTP dialect translates into a call of ``Dispatcher.detect`` and nothing else, so admission,
deadlines and cancellation hold in all of them. The caller abandons a request by cancelling the
call.
"""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Iterable, Sequence

from parallax.aio import tasks
from parallax.broker import base
from parallax.contract import errors, messages, spec, wire
from parallax.gateway import identifiers, keepsakes, metrics, outbox, pending, usage
from parallax.policy import gate
from parallax.settings import concerns
from parallax.slab import pictures as shelves

Clock = Callable[[], float]


class Dispatcher:
    """Carries requests of one api process through the pipeline."""

    def __init__(
        self,
        broker: base.AsyncBroker,
        node: str,
        api: str,
        limits: concerns.LimitSettings,
        clock: Clock,
        shelf: shelves.Pictures,
    ) -> None:
        self.pending = pending.Pending()
        self.outbox = outbox.Outbox(broker, api)
        self.usage = usage.Usage()
        self._node = node
        self._api = api
        self._clock = clock
        self._shelf = shelf
        self._keepsakes = keepsakes.Keepsakes(broker, shelf)
        self._gate = gate.Gate(limits.max_in_flight)
        metrics.MAX_IN_FLIGHT.set(limits.max_in_flight)
        self._prefix = secrets.token_hex(8)
        self._counter = itertools.count()

    @property
    def in_flight(self) -> int:
        """Pictures in flight."""
        return self._gate.in_flight

    def start(self, crew: tasks.Crew) -> None:
        """Start the tasks that talk to the broker."""
        self.outbox.start(crew)
        self._keepsakes.start(crew)

    def abort(self, problem: errors.ParallaxError) -> None:
        """Answer everything in flight with an error: the end of a drain that took too long."""
        self.pending.fail_all(problem)

    def check_room(self, patience: float) -> None:
        """Refuse at once what could not be admitted anyway, before its body is read.

        Raises:
            OverloadedError: there is no room for even one picture, or it would not be answered
                within ``patience`` seconds.
        """
        refusal = self._gate.hopeless(patience, self._clock(), expected=True)
        if refusal is not None:
            raise self._overloaded(refusal)

    def expect(self) -> None:
        """Say that a request comes which ``refusal`` did not refuse."""
        self._gate.expect(self._clock())

    def arrived(self) -> None:
        """Say that a request has been read, or that it could not be."""
        self._gate.arrived()

    def refusal(self, patience: float) -> errors.OverloadedError | None:
        """Return why a request with so many seconds would be refused whatever it asks for."""
        refusal = self._gate.hopeless(patience, self._clock())
        return None if refusal is None else self._overloaded(refusal)

    async def detect(
        self,
        model: spec.ModelSpec,
        pictures: Sequence[bytes],
        params: messages.Params,
        image: messages.ImageOptions,
        deadline: float,
    ) -> list[pending.Answer]:
        """Return the answers in the order of the pictures; one bad picture fails them all.

        Raises:
            OverloadedError: too many pictures are in flight, for this deadline or at all; nothing
                was submitted.
            DeadlineExceededError: ``deadline`` (of the clock given at construction) passed.
            ParallaxError: what a stage answered.
        """
        now = self._clock()
        entered = self._gate.enter(model.id, len(pictures), deadline - now, now)
        if isinstance(entered, gate.Refusal):
            raise self._overloaded(entered)
        metrics.IN_FLIGHT.set(self._gate.in_flight)
        left = gate.Left.FAILED
        try:
            with self.usage.of(model):
                flight = self._launch(now, model.id, pictures, (params, image, deadline))
                answers = await self._land(flight, deadline - now)
            left = gate.Left.ANSWERED
        except asyncio.CancelledError:
            left = gate.Left.HUNG_UP
            raise
        except errors.DeadlineExceededError:
            left = gate.Left.EXPIRED
            raise
        finally:
            self._gate.leave(entered, left, self._clock())
            metrics.IN_FLIGHT.set(self._gate.in_flight)
        for answer in answers:
            metrics.observe_stages(model.id, answer)
        return answers

    def _launch(
        self,
        now: float,
        model: str,
        pictures: Sequence[bytes],
        wishes: tuple[messages.Params, messages.ImageOptions, float],
    ) -> pending.Flight:
        params, image, deadline = wishes
        request = f"{self._prefix}{next(self._counter):x}"
        budget_ms = max(0, int((deadline - now) * 1000))
        flight = pending.Flight(request, now, asyncio.get_running_loop().create_future())
        flight.model, flight.exchange = model, identifiers.exchange()
        places: list[messages.ArrayRef | None] = []
        try:
            for item, picture in enumerate(pictures):
                route = messages.Route(request, item, self._api, self._node, deadline, budget_ms)
                place = self._shelf.keep(picture)
                places.append(place)
                work = messages.PreWork(route, model, params, image, place)
                flight.add(wire.encode(work), b"" if place else picture, place)
        except BaseException:
            self._drop(places)
            raise
        self.pending.open(flight)
        for part in flight.parts:
            self.outbox.submit(part)
        return flight

    async def _land(self, flight: pending.Flight, patience: float) -> list[pending.Answer]:
        timer = asyncio.get_running_loop().call_later(max(0.0, patience), _expire, flight)
        try:
            await flight.done
            return flight.answers()
        finally:
            timer.cancel()
            # Whatever ended the wait: what is still under way is wanted by nobody.
            for part in self.pending.close(flight):
                self.outbox.cancel(part)
                self._keepsakes.keep(part)
            self._drop(part.place for part in flight.parts)

    def _drop(self, places: Iterable[messages.ArrayRef | None]) -> None:
        for place in places:
            if place is not None:
                self._shelf.drop(place)

    def _overloaded(self, refusal: gate.Refusal) -> errors.OverloadedError:
        if refusal.wait is None:
            cause = f"The server is at its limit of {self._gate.limit} pictures in flight"
        else:
            cause = f"The answer would come in about {refusal.wait:.1f} s, which is too late"
        again = f"{cause}; try again in {refusal.retry_after} s."
        return errors.OverloadedError(again, retry_after=refusal.retry_after)


def _expire(flight: pending.Flight) -> None:
    flight.fail(errors.DeadlineExceededError("The request was not answered within its deadline."))
