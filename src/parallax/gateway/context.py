"""What the handlers of one api process share.

The supervisor's child main fills it; nothing in ``gateway`` looks anything up in a global.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from parallax.broker import base
from parallax.contract import errors, lifeline, spec
from parallax.gateway import dispatch
from parallax.settings import concerns


class HealthBoard:
    """The last word of the supervisor on whether the pipeline can answer."""

    GRACE = 5.0
    """Seconds for which requests are taken in although a stage has just lost its last worker: it
    is being replaced, and nothing that waits is lost."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.health: lifeline.Health | None = None
        self._clock = clock
        self._ready_at: float | None = None
        self._draining = False

    def update(self, health: lifeline.Health) -> None:
        """Take the supervisor's newest report."""
        self.health = health
        if health.ready:
            self._ready_at = self._clock()

    def drain(self) -> None:
        """Say that the process is stopping. Requests that still come, on connections that were
        open by then, are answered all the same: the pipeline is stopped after the last of them."""
        self._draining = True

    @property
    def reason(self) -> str:
        """Why requests cannot be answered; empty when they can."""
        return "stopping" if self._draining else self._broken

    def check(self) -> None:
        """Refuse a request that could not be answered.

        Raises:
            NotReadyError: with the reason.
        """
        if self._broken and not self._in_grace():
            raise errors.NotReadyError(f"The server is not ready: {self._broken}.")

    def _in_grace(self) -> bool:
        if self.health is None or self._ready_at is None:
            return False
        return self._clock() - self._ready_at <= self.GRACE

    @property
    def _broken(self) -> str:
        if self.health is None:
            return "starting"
        return "" if self.health.ready else self.health.reason or "not ready"


class Models:
    """The models served right now, by id and by the aliases that their packages declare."""

    def __init__(self, specs: Iterable[spec.ModelSpec] = ()) -> None:
        self._specs: tuple[spec.ModelSpec, ...] = ()
        self._by_name: dict[str, spec.ModelSpec] = {}
        self.replace(specs)

    def replace(self, specs: Iterable[spec.ModelSpec]) -> None:
        """Serve these from now on; requests in flight keep the spec they started with."""
        self._specs = tuple(sorted(specs, key=lambda model: model.id))
        by_name = {alias: model for model in self._specs for alias in model.aliases}
        # An id wins over another package's alias of the same name.
        self._by_name = by_name | {model.id: model for model in self._specs}

    def all(self) -> tuple[spec.ModelSpec, ...]:
        """All models, by id."""
        return self._specs

    def get(self, name: str) -> spec.ModelSpec | None:
        """The model of this id or declared alias."""
        return self._by_name.get(name)


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The parts and facts of one api process."""

    settings: concerns.Settings
    node: str
    api: str
    """Id of this incarnation: names its mailbox."""
    broker: base.AsyncBroker
    dispatcher: dispatch.Dispatcher
    models: Models
    board: HealthBoard
    version: str
    uuid: str
    """Id of the server, the same in all its api processes."""
    clock: Callable[[], float] = time.monotonic
