"""Which consumer a slot is and what it reads."""

import pytest

from parallax.contract.topology import Stage
from parallax.slab import layout as layouts
from parallax.workers import seating
from parallax.workers.config import WorkerConfig
from tests.support import fakes
from tests.workers import world as worlds


def config(stage: Stage, slot: int = 2) -> WorkerConfig:
    return WorkerConfig(
        stage=stage,
        slot=slot,
        keys=worlds.KEYS,
        broker_url="unix:///nowhere",
        models=(fakes.model("a"), fakes.model("b")),
        slab_path="",
        slab_layout=layouts.SlabLayout((), 0),
        arena=None,
        board_row=0,
        max_losses=3,
        lease_ms=5000,
        max_pixels=1,
        log_level="info",
    )


@pytest.mark.parametrize("stage", list(Stage))
def test_a_restarted_slot_is_the_same_consumer(stage: Stage) -> None:
    first, second = seating.seat(config(stage)), seating.seat(config(stage))

    assert first == second
    assert first.holder.consumer == f"n1:{stage.value}:2"
    assert first.holder.group is stage


def test_each_stage_reads_its_own_streams() -> None:
    assert seating.streams(config(Stage.PRE)) == (worlds.KEYS.pre,)
    assert seating.streams(config(Stage.POST)) == (worlds.KEYS.post,)
    assert seating.streams(config(Stage.INFER)) == (
        worlds.KEYS.infer("a"),
        worlds.KEYS.infer("b"),
    )
