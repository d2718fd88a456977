"""Which consumer a slot is and what it reads."""

import pytest

from parallax.contract.decoding import Decoding
from parallax.contract.topology import Stage
from parallax.slab import layout as layouts
from parallax.workers import seating
from parallax.workers.config import WorkerConfig
from tests.workers import world as worlds


def config(stage: Stage, slot: int = 2) -> WorkerConfig:
    return WorkerConfig(
        stage=stage,
        slot=slot,
        keys=worlds.KEYS,
        broker_url="unix:///nowhere",
        roster_path="",
        slab_path="",
        slab_layout=layouts.SlabLayout((), 0),
        arena=None,
        board_row=0,
        max_losses=3,
        stuck_timeout=20.0,
        lease_ms=5000,
        max_pixels=1,
        decoding=Decoding.FAST,
        log_level="info",
    )


@pytest.mark.parametrize("stage", list(Stage))
def test_a_restarted_slot_is_the_same_consumer(stage: Stage) -> None:
    first, second = seating.seat(config(stage)), seating.seat(config(stage))

    assert first == second
    assert first.holder.consumer == f"n1:{stage.value}:2"
    assert first.holder.group is stage
