"""Which slots are suspected, and which are orphans."""

import pytest

from parallax.contract import messages
from parallax.slab import janitor
from parallax.slab import slab as slabs

READY, WRITING = slabs.SlotState.READY, slabs.SlotState.WRITING


def held(
    record: str = "1-0", state: slabs.SlotState = READY, since: float = 0.0, slot: int = 0
) -> slabs.Held:
    return slabs.Held(messages.SlotRef(0, slot, 1), record, state, since)


@pytest.mark.parametrize(
    ("state", "since", "suspected"),
    [(READY, 0.0, True), (READY, 90.0, True), (READY, 90.1, False), (WRITING, 0.0, False)],
)
def test_only_old_and_finished_slots_are_suspected(
    state: slabs.SlotState, since: float, suspected: bool
) -> None:
    one = held(state=state, since=since)

    assert janitor.suspects([one], now=100.0, min_age=10.0) == ([one] if suspected else [])


def test_slots_of_requests_in_flight_are_no_orphans() -> None:
    lost, live = held("1-0", slot=0), held("2-0", slot=1)

    assert janitor.orphans([lost, live], lambda record: record == "2-0") == [lost]
