"""Reads model packages in a process of its own.

Parsing files that others made takes tens of megabytes and may crash; neither shall happen to the
supervisor. The process ends when the packages are read.
"""

import logging
import resource
from collections.abc import Collection
from concurrent.futures.process import BrokenProcessPool

from parallax.contract import errors, spec
from parallax.settings import concerns
from parallax.supervisor import child as children

log = logging.getLogger(__name__)

TIMEOUT = 600.0
"""Seconds that reading and preparing all models may take."""

MAX_MEMORY = 16 << 30
"""Bytes of address space that the reader may have: what a strange file makes the ONNX library
reserve ends the reader and not its neighbours. A graph of the largest size that is fused takes less
than half of it."""


async def read_all(settings: concerns.Settings) -> tuple[spec.Reading, ...]:
    """Return what the folders of the settings hold at the start.

    Raises:
        StartupError: reading brought its process down.
    """
    try:
        return await children.call(_read, settings, None, patience=TIMEOUT)
    except BrokenProcessPool as problem:
        raise errors.StartupError(
            f"reading the models in {', '.join(settings.models.models)} crashed"
        ) from problem
    except TimeoutError as problem:
        raise errors.StartupError(f"reading the models took over {TIMEOUT:.0f} s") from problem


async def read(
    settings: concerns.Settings, places: Collection[str], patience: float = TIMEOUT
) -> tuple[spec.Reading, ...]:
    """Return what these places hold; one that brings its reader down is refused for that."""
    try:
        return await children.call(_read, settings, frozenset(places), patience=patience)
    except BrokenProcessPool:
        reason = "reading it crashed"
    except TimeoutError:
        reason = f"reading it took over {patience:.0f} s"
    if len(places) == 1:
        (place,) = places
        return (spec.Reading(place, place, "", reason=reason),)
    log.warning("reading changed models together failed; they are read one by one")
    return tuple([each for place in places for each in await read(settings, (place,), patience)])


def _read(settings: concerns.Settings, places: frozenset[str] | None) -> tuple[spec.Reading, ...]:
    # Imported here, in the short-lived process: onnx must be in no process that stays.
    from parallax.models import catalog  # noqa: PLC0415

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > MAX_MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, hard))
    return catalog.readings(settings, places)
