"""What the handlers of one api process share.

The supervisor's child main fills it; nothing in ``gateway`` looks anything up in a global.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from parallax.broker import base
from parallax.contract import errors, lifeline, roster, spec
from parallax.gateway import dispatch
from parallax.gateway.remote import fetch
from parallax.observe import logs
from parallax.settings import concerns, key_file


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
    """The models served right now, by id and by the aliases that their packages declare; and those
    that could be."""

    def __init__(self, specs: Iterable[spec.ModelSpec] = ()) -> None:
        self.generation = -1
        """Rises with each change, so that what was made from the models can be kept until then."""
        self.packages: tuple[roster.Package, ...] = ()
        self._loaded = _Named(())
        self._known = _Named(())
        self.replace(specs)

    def replace(
        self,
        specs: Iterable[spec.ModelSpec],
        unloaded: Iterable[spec.ModelSpec] = (),
        packages: tuple[roster.Package, ...] = (),
    ) -> None:
        """Serve ``specs`` from now on; requests in flight keep the spec they started with."""
        loaded = tuple(specs)
        self._loaded = _Named(loaded)
        self._known = _Named((*loaded, *unloaded))
        self.packages = packages
        self.generation += 1

    def all(self) -> tuple[spec.ModelSpec, ...]:
        """All loaded models, by id."""
        return self._loaded.specs

    def known(self) -> tuple[spec.ModelSpec, ...]:
        """All models that are loaded or could be, by id."""
        return self._known.specs

    def get(self, name: str) -> spec.ModelSpec | None:
        """The loaded model of this id or declared alias."""
        return self._loaded.by_name.get(name)

    def find(self, name: str) -> spec.ModelSpec | None:
        """The model of this id or declared alias, loaded or not."""
        return self._known.by_name.get(name)


class _Named:
    """Models in the order of their ids, and by name."""

    def __init__(self, specs: tuple[spec.ModelSpec, ...]) -> None:
        self.specs = tuple(sorted(specs, key=lambda model: model.id))
        by_name = {alias: model for model in self.specs for alias in model.aliases}
        # An id wins over another package's alias of the same name.
        self.by_name = by_name | {model.id: model for model in self.specs}


class ModelControl(Protocol):
    """Loads and unloads models while the server runs, in all its processes (``gateway.control``).

    ``until`` is in seconds of ``ApiContext.clock``. All raise ``DeadlineExceededError`` when it
    passes first (the change then goes on) and ``OverloadedError`` when too many changes are asked
    for at a time.
    """

    async def load(self, model_id: str, until: float) -> float:
        """Load a model and return the seconds that it took; 0.0 if it is loaded already.

        Raises:
            UnknownModelError: no package has this id.
            ModelRefusedError: it cannot be loaded; says why.
        """
        ...

    async def unload(self, model_id: str, until: float) -> None:
        """Serve a model no more and free its memory; a model that is not loaded stays so."""
        ...

    async def clear(self, until: float) -> None:
        """Unload all models."""
        ...


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The parts and facts of one api process."""

    settings: concerns.Settings
    node: str
    api: str
    """Id of this incarnation: names its mailbox."""
    broker: base.AsyncBroker
    dispatcher: dispatch.Dispatcher
    fetcher: fetch.Fetcher
    models: Models
    control: ModelControl
    board: HealthBoard
    version: str
    uuid: str
    """Id of the server, the same in all its api processes."""
    clock: Callable[[], float] = time.monotonic
    recent_logs: logs.Ring | None = None
    """The log of this process, if it is kept for ``/logs``."""
    spare_keys: tuple[key_file.Key, ...] = ()
    """The clients' keys that are let in while their file cannot be used."""
