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
from parallax.gateway import metrics, outbox, pending, usage
from parallax.policy import admission
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
        self._admission = admission.Admission(limits.max_in_flight)
        self._prefix = secrets.token_hex(8)
        self._counter = itertools.count()

    @property
    def in_flight(self) -> int:
        """Pictures in flight."""
        return self._admission.in_flight

    def start(self, crew: tasks.Crew) -> None:
        """Start the tasks that talk to the broker."""
        self.outbox.start(crew)

    def abort(self, problem: errors.ParallaxError) -> None:
        """Answer everything in flight with an error: the end of a drain that took too long."""
        self.pending.fail_all(problem)

    def check_room(self) -> None:
        """Refuse at once what could not be admitted anyway, before its body is read.

        Raises:
            OverloadedError: there is no room for even one picture.
        """
        if self._admission.full:
            raise self._overloaded(1, self._clock())

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
            OverloadedError: too many pictures are in flight; nothing was submitted.
            DeadlineExceededError: ``deadline`` (of the clock given at construction) passed.
            ParallaxError: what a stage answered.
        """
        now = self._clock()
        if not self._admission.try_acquire(len(pictures), now):
            raise self._overloaded(len(pictures), now)
        metrics.IN_FLIGHT.set(self._admission.in_flight)
        try:
            with self.usage.of(model):
                flight = self._launch(now, model.id, pictures, (params, image, deadline))
                answers = await self._land(flight, deadline - now)
        finally:
            self._admission.release(len(pictures), self._clock())
            metrics.IN_FLIGHT.set(self._admission.in_flight)
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
            self._drop(part.place for part in flight.parts)

    def _drop(self, places: Iterable[messages.ArrayRef | None]) -> None:
        for place in places:
            if place is not None:
                self._shelf.drop(place)

    def _overloaded(self, count: int, now: float) -> errors.OverloadedError:
        wait = self._admission.retry_after(count, now)
        return errors.OverloadedError(
            f"The server is at its limit of {self._admission.limit} pictures in flight; "
            f"try again in {wait} s.",
            retry_after=wait,
        )


def _expire(flight: pending.Flight) -> None:
    flight.fail(errors.DeadlineExceededError("The request was not answered within its deadline."))
