"""How a node is laid out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import spec
from parallax.settings import concerns
from parallax.slab import layout as layouts
from parallax.supervisor import plan
from tests.support import fakes


def settings(
    cpu_workers: int | None = 2, devices: tuple[str, ...] = ("cpu",), slots: int | None = None
) -> concerns.Settings:
    return replace(
        concerns.Settings(),
        workers=concerns.WorkerSettings(cpu_workers=cpu_workers, devices=devices),
        slab=concerns.SlabSettings(slots=slots),
    )


def test_workers_default_to_the_cpus() -> None:
    assert plan.make(settings(None), (), cpus=6).cpu_workers == 6
    assert plan.make(settings(3), (), cpus=6).cpu_workers == 3


def test_a_cpu_runs_one_item_per_core_and_a_gpu_two_batches() -> None:
    assert plan.make(settings(), (), cpus=6).runs == 6
    assert plan.make(settings(devices=("cuda:0",)), (), cpus=6).runs == 2


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_runs_may_be_set(device: str) -> None:
    workers = concerns.WorkerSettings(runs=3, devices=(device,))

    made = plan.make(replace(concerns.Settings(), workers=workers), (), cpus=6)

    assert (made.runs, made.cores) == (3, 6)


def test_batches_on_a_cpu_have_slots() -> None:
    batching = concerns.BatchSettings(cpu_max_batch=8)

    made = plan.make(replace(settings(1), batching=batching), (fakes.model(),), cpus=4)

    assert made.slab.arenas[0].slots == 2 * 4 * 8


def test_api_processes_have_arenas_for_pictures_and_share_a_quarter_of_the_directory() -> None:
    two = replace(settings(), http=concerns.HttpSettings(api_workers=2))

    roomy, narrow = plan.make(two, (), cpus=2), plan.make(two, (), 2, shm_bytes=64 << 20)

    assert [arena.slots for arena in roomy.slab.arenas[roomy.api(0) :]] == [244, 244]
    assert [arena.slots for arena in narrow.slab.arenas[narrow.api(0) :]] == [16, 16]
    assert roomy.needed[roomy.api(0) :] == (0, 0)


def test_pictures_that_other_nodes_may_take_do_not_lie_in_shared_memory() -> None:
    shared = replace(settings(), broker=concerns.BrokerSettings(redis_url="redis://elsewhere"))

    made = plan.make(shared, (), cpus=2)

    assert made.slab.arenas[made.api(0)].slots == 0


def test_slots_hold_the_largest_tensor_of_any_model() -> None:
    models = fakes.model("a", side=64), fakes.model("b", side=640)

    made = plan.make(settings(), models, cpus=2)

    assert made.needed[:2] == (640 * 640 * 3,) * 2
    assert {arena.slot_bytes for arena in made.slab.arenas[:2]} == {plan.INPUT_ROOM}


def test_slots_are_as_large_as_the_largest_model_in_any_case() -> None:
    made = plan.make(settings(), (fakes.model("a", side=4096),), cpus=2)

    assert made.slab.arenas[0].slot_bytes == 4096 * 4096 * 3


def test_slots_feed_two_batches_per_run_of_a_gpu() -> None:
    models = (fakes.model(max_batch=32),)

    made = plan.make(settings(2, ("cuda:0", "cuda:1")), models, cpus=8)

    assert made.slab.arenas[0].slots * 2 >= 2 * made.runs * 32 * 2


def test_a_fixed_batch_axis_counts_on_every_device() -> None:
    models = (fakes.model(batch=spec.BatchSpec(64, fixed_size=64)),)

    made = plan.make(settings(1), models, cpus=1)

    assert made.slab.arenas[0].slots >= 128


def test_slots_are_never_fewer_than_a_worker_needs_and_may_be_set() -> None:
    assert plan.make(settings(16), (), cpus=1).slab.arenas[0].slots == plan.MIN_SLOTS
    assert plan.make(settings(slots=3), (), cpus=1).slab.arenas[0].slots == 3


def test_large_outputs_get_slots_of_their_own_size() -> None:
    models = (fakes.model(output_bytes=32 << 20),)

    made = plan.make(settings(2), models, cpus=2)

    assert made.slab.arenas[made.infer(0)].slot_bytes == 32 << 20
    assert made.slab.arenas[made.infer(0)].slots >= made.runs
    assert made.needed[made.infer(0)] == 32 << 20


def test_small_outputs_cost_nothing() -> None:
    made = plan.make(settings(2), (fakes.model(),), cpus=2)

    assert made.needed[made.infer(0)] == 0
    assert made.slab.arenas[made.infer(0)].slot_bytes == plan.OUTPUT_ROOM


def test_no_more_is_reserved_for_outputs_than_a_slot_has() -> None:
    made = plan.make(settings(1), (), cpus=1)

    assert made.reservation(5, 1 << 40) == (5, plan.OUTPUT_ROOM, 0)


@given(workers=st.integers(1, 64), gpus=st.integers(1, 8), cpus=st.integers(1, 128))
def test_every_process_has_a_place_of_its_own(workers: int, gpus: int, cpus: int) -> None:
    named = tuple(f"cuda:{index}" for index in range(gpus))
    made = plan.make(settings(workers, named), (fakes.model(),), cpus)
    pres = [made.pre(slot) for slot in range(workers)]
    infers = [made.infer(slot) for slot in range(gpus)]
    posts = [made.post(slot) for slot in range(workers)]

    assert sorted([*pres, *infers, made.api(0)]) == list(range(len(made.slab.arenas)))
    assert sorted(pres + infers + posts) == list(range(made.slab.board_rows))


def test_a_board_has_room_for_all_that_a_loop_works_on_at_a_time() -> None:
    small = plan.make(settings(), (fakes.model(),), cpus=2)
    large = plan.make(settings(devices=("cuda:0",)), (fakes.model(max_batch=300),), cpus=2)

    assert small.slab.board_ids == layouts.MIN_BOARD_IDS
    assert large.slab.board_ids >= large.runs * 300
