"""Which models a node serves at a moment, and what every process has to know of that.

The supervisor alone makes rosters; each has a higher generation than the one before.
"""

from enum import StrEnum

from msgspec import Struct

from parallax.contract import spec


class State(StrEnum):
    """What a package is to its server."""

    LOADED = "loaded"
    LOADING = "loading"
    UNLOADED = "unloaded"
    """By request; it is loaded again when that is asked for."""
    REFUSED = "refused"


BEING_LOADED = "a new version is being loaded"
"""The reason of a package that is served in the version before; any other is a refusal."""


class Package(Struct, frozen=True):
    """One row of ``/status``: a place on disk and what it is to the server."""

    id: str
    """Of the model; empty when the place holds none."""
    path: str
    state: State
    version: str = ""
    """Of the model that is served, or would be."""
    reason: str = ""
    """Why its newest content is not served; an older version may be (``loaded``)."""


class Roster(Struct, frozen=True):
    """One generation."""

    generation: int = 0
    serving: tuple[spec.ModelSpec, ...] = ()
    """At most one version of each model: what new requests get."""
    loading: tuple[spec.ModelSpec, ...] = ()
    """What inference loops load beside the rest; nobody else may use it yet."""
    leaving: tuple[spec.ModelSpec, ...] = ()
    """Versions that only requests in flight still refer to."""
    unloaded: tuple[spec.ModelSpec, ...] = ()
    """Models that could be served: unloaded by request, being loaded, or refused by a device."""
    packages: tuple[Package, ...] = ()

    @property
    def known(self) -> tuple[spec.ModelSpec, ...]:
        """Every version that an entry in a stream may rightly name."""
        return self.serving + self.leaving
