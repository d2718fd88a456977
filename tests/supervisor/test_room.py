"""Whether a model that comes later has room in shared memory."""

from collections.abc import Sequence
from typing import cast

import pytest

from parallax.settings import concerns
from parallax.slab import file as files
from parallax.supervisor import plan, room
from tests.support import fakes


class Tmpfs:
    """A slab file on a file system that has room for so many bytes in each slot."""

    def __init__(self, room_for: int) -> None:
        self.room_for = room_for
        self.reserved: list[tuple[int, ...]] = []

    def reserve(self, needed: Sequence[int]) -> bool:
        self.reserved.append(tuple(needed))
        return max(needed) <= self.room_for


def made(tmpfs: Tmpfs) -> room.Room:
    settings = concerns.Settings(workers=concerns.WorkerSettings(cpu_workers=2, devices=("cpu",)))
    planned = plan.make(settings, (fakes.model(),), cpus=1)
    return room.Room(planned, cast(files.SlabFile, tmpfs))


def test_a_model_gets_memory_for_its_input_and_outputs() -> None:
    tmpfs, model = Tmpfs(1 << 30), fakes.model(side=100, output_bytes=5000)

    assert made(tmpfs).admit(model) == (model, "")
    assert tmpfs.reserved == [(30_000, 30_000, 0, 0), (0, 0, 5000, 0)]


def test_an_input_larger_than_the_slots_needs_a_restart() -> None:
    tmpfs = Tmpfs(1 << 30)
    _, reason = made(tmpfs).admit(fakes.model(side=4096))

    assert reason.startswith("needs a restart: its input of 4096x4096 takes 50331648 bytes")
    assert tmpfs.reserved == []


def test_an_input_without_memory_is_refused() -> None:
    _, reason = made(Tmpfs(1000)).admit(fakes.model(side=100))

    assert "shared memory is too small" in reason


@pytest.mark.parametrize("output_bytes", [50_000, 1 << 40])
def test_outputs_without_memory_travel_through_the_broker(output_bytes: int) -> None:
    model, reason = made(Tmpfs(40_000)).admit(fakes.model(side=100, output_bytes=output_bytes))

    assert (model.output_bytes, reason) == (0, "")
