"""What is known of every package, and what shall be served: the state behind hot reload.

Pure: readings, requests and the outcomes of loading go in; what to load next, what to serve and
what to tell come out. The rules:

* A new version replaces the one that is served only after it was loaded everywhere. One that cannot
  be read or loaded changes nothing but the reason that is shown.
* Of two packages with one id the one that was there first is served.
* A model that was unloaded by request stays so, whatever becomes of its package, until it is asked
  for again or the package is removed.
* The demo model is served when no package can be.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from parallax.contract import errors, roster, spec
from parallax.policy import naming

DEMO_PLACE = ""


@dataclass(slots=True)
class _Entry:
    """One place."""

    path: str
    id: str
    served: spec.ModelSpec | None = None
    """What every inference loop has loaded, and new requests get."""
    waiting: spec.ModelSpec | None = None
    """Read, but not loaded yet."""
    failed: spec.ModelSpec | None = None
    """Read, but it could not be loaded; tried again on request."""
    reason: str = ""

    @property
    def newest(self) -> spec.ModelSpec | None:
        return self.waiting or self.served or self.failed


@dataclass(slots=True)
class Shelf:
    """All packages of a node."""

    _entries: dict[str, _Entry] = field(default_factory=dict)
    _unloaded: set[str] = field(default_factory=set)

    def take(self, reading: spec.Reading) -> None:
        """Take in what was found at a place, for the first time or again."""
        entry = self._entries.get(reading.place)
        if entry is not None and entry.id != reading.id:
            self.drop(reading.place)
            entry = None
        if entry is None:
            entry = self._entries[reading.place] = _Entry(reading.path, reading.id)
        entry.path, entry.reason = reading.path, reading.reason
        entry.failed = None
        known = entry.served.version if entry.served else ""
        if reading.model is not None and reading.model.version == known:
            entry.served, entry.waiting = reading.model, None
        else:
            entry.waiting = reading.model

    def drop(self, place: str) -> None:
        """Forget a place that is gone, with the request to unload its model."""
        entry = self._entries.pop(place, None)
        if entry is not None and self._owner(entry.id) is None:
            self._unloaded.discard(entry.id)

    def at(self, place: str) -> roster.Package | None:
        """Return the line about one package; None where there is none."""
        entry = self._entries.get(place)
        return self._row(entry, self._owner(entry.id) is entry) if entry else None

    @property
    def lacks_demo(self) -> bool:
        """Whether the demo model has to be read, because nothing else could be served."""
        return DEMO_PLACE not in self._entries and not any(
            entry.served or entry.waiting for entry in self._entries.values()
        )

    def next(self) -> spec.ModelSpec | None:
        """Return a version that shall be loaded, if there is one."""
        for entry in self._owners():
            if entry.waiting and entry.id not in self._unloaded:
                return entry.waiting
        return None

    def loaded(self, model: spec.ModelSpec, fitting: spec.ModelSpec) -> None:
        """Note that every inference loop has loaded a version: it is served from now on, as
        ``fitting``, which differs at most in how its outputs travel."""
        for entry in self._entries.values():
            if entry.waiting == model:
                entry.served, entry.waiting, entry.failed, entry.reason = fitting, None, None, ""
        demo = self._entries.get(DEMO_PLACE)
        if demo is not None and demo.served and self._hides_demo():
            demo.waiting, demo.served = demo.served, None

    def refuse(self, model: spec.ModelSpec, reason: str) -> None:
        """Note that a version cannot be loaded; what was served before goes on."""
        for entry in self._entries.values():
            if entry.waiting == model:
                entry.waiting, entry.failed, entry.reason = None, model, reason

    def load(self, model_id: str) -> None:
        """Have a model served again; also one that could not be loaded is tried once more."""
        self._unloaded.discard(model_id)
        entry = self._owner(model_id)
        if entry is not None and entry.served is None and entry.waiting is None:
            entry.waiting, entry.failed = entry.failed, None

    def unload(self, model_id: str) -> None:
        """Serve a model no more (empty: none at all)."""
        for entry in tuple(self._owners()):
            if entry.newest and entry.id and model_id in (entry.id, ""):
                self._unloaded.add(entry.id)
                # On request it is loaded like something new.
                entry.waiting, entry.served = entry.newest, None

    def serving(self) -> tuple[spec.ModelSpec, ...]:
        """Return what new requests shall get, with the aliases that are free."""
        return tuple(self._settled()[0])

    def others(self) -> tuple[spec.ModelSpec, ...]:
        """Return what could be served and is not."""
        return tuple(self._settled()[1])

    def notes(self) -> Sequence[str]:
        """Return what is to be said about aliases."""
        return naming.settle(entry.newest for entry in self._owners() if entry.newest)[1]

    def rows(self) -> tuple[roster.Package, ...]:
        """Return a line about each package."""
        owners = {id(entry) for entry in self._owners()}
        hidden = DEMO_PLACE if self._hides_demo() else None
        return tuple(
            self._row(entry, id(entry) in owners)
            for place, entry in self._entries.items()
            if place != hidden
        )

    def verdict(self, model_id: str) -> errors.ParallaxError | None:
        """Return why a model that was asked for is not served; None if it is, or will be."""
        entry = self._owner(model_id)
        if entry is None:
            return errors.UnknownModelError(f"There is no model {model_id}.")
        if model_id in self._unloaded:
            return errors.OverloadedError(f"Model {model_id} was unloaded meanwhile; try again.")
        if entry.served or entry.waiting:
            return None
        return errors.ModelRefusedError(f"Model {model_id} cannot be served: {entry.reason}")

    def _row(self, entry: _Entry, owns: bool) -> roster.Package:
        state, reason, model = roster.State.REFUSED, entry.reason, entry.newest
        if not owns:
            reason = reason or f"the id {entry.id!r} is already taken by another package"
        elif entry.served:
            state, model = roster.State.LOADED, entry.served
            reason = reason or (roster.BEING_LOADED if entry.waiting else "")
        elif entry.waiting:
            unloaded = entry.id in self._unloaded
            state = roster.State.UNLOADED if unloaded else roster.State.LOADING
        return roster.Package(entry.id, entry.path, state, model.version if model else "", reason)

    def _settled(self) -> tuple[list[spec.ModelSpec], list[spec.ModelSpec]]:
        """Return what is served and what is not, each with its free aliases."""
        owners = [entry for entry in self._owners() if entry.newest]
        shown = (entry.served or entry.newest for entry in owners)
        named, _ = naming.settle(model for model in shown if model)
        serving: list[spec.ModelSpec] = []
        others: list[spec.ModelSpec] = []
        for entry, model in zip(owners, named, strict=True):
            (serving if entry.served else others).append(model)
        return serving, others

    def _owner(self, model_id: str) -> _Entry | None:
        return next((entry for entry in self._owners() if entry.id == model_id), None)

    def _hides_demo(self) -> bool:
        """Say whether a package is served, or would be but for a request."""
        return any(
            entry.served or (entry.waiting and entry.id in self._unloaded)
            for place, entry in self._entries.items()
            if place != DEMO_PLACE
        )

    def _owners(self) -> Collection[_Entry]:
        """Return the first usable entry of each id; the demo model only when it stands alone."""
        hidden = self._hides_demo()
        first: dict[str, _Entry] = {}
        for place, entry in self._entries.items():
            if hidden and place == DEMO_PLACE:
                continue
            best = first.get(entry.id)
            if best is None or (best.newest is None and entry.newest is not None):
                first[entry.id] = entry
        return tuple(first.values())
