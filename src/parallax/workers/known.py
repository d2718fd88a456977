"""The models that a stage worker goes by: replaced as a whole while it works."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from parallax.contract import roster, spec

K = TypeVar("K")
V = TypeVar("V")

Version = tuple[str, str]
"""Id and version of a model."""


def version_of(model: spec.ModelSpec) -> Version:
    """Return what tells a model from its other versions."""
    return model.id, model.version


class Live(Mapping[K, V], Generic[K, V]):
    """A mapping for one thread to read while another one replaces it: at each look-up it is either
    the old one or the new."""

    def __init__(self) -> None:
        self._items: Mapping[K, V] = {}

    def replace(self, items: Mapping[K, V]) -> None:
        """Be another mapping from now on."""
        self._items = items

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class Known:
    """The same roster in two orders: what new pictures are made for, and what an entry names."""

    def __init__(self, first: roster.Roster) -> None:
        self.generation = first.generation
        self.current: Live[str, spec.ModelSpec] = Live()
        """By id. A model that is leaving is still there: requests in flight ask for it."""
        self.versions: Live[Version, spec.ModelSpec] = Live()
        """Every version that an entry may name."""
        self.replace(first)

    def replace(self, new: roster.Roster) -> None:
        """Go by another roster."""
        self.versions.replace({version_of(model): model for model in new.known})
        leaving = {model.id: model for model in new.leaving}
        self.current.replace(leaving | {model.id: model for model in new.serving})
        self.generation = new.generation
