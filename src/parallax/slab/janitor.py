"""Which slots nobody will ever free: those of requests that are no longer in flight."""

from collections.abc import Callable, Sequence

from parallax.slab.slab import Held, SlotState


def suspects(held: Sequence[Held], now: float, min_age: float) -> list[Held]:
    """Return the READY slots that have been held for longer than ``min_age`` seconds.

    Slots being written are their producer's business: it, or its successor, frees them.
    """
    return [each for each in held if each.state is SlotState.READY and now - each.since >= min_age]


def orphans(suspected: Sequence[Held], live: Callable[[str], bool]) -> list[Held]:
    """Return the slots whose request's record is gone."""
    return [each for each in suspected if not live(each.record)]
