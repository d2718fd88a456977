"""One process writes as fast as it can while this one reads: the bytes of a picture that was
dropped meanwhile are never taken for it, and no tensor is overwritten before it was read."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from parallax.contract import errors, messages
from parallax.slab import layout as layouts
from parallax.slab import slab as slabs
from tests.slab import other_process

LAYOUT = layouts.SlabLayout((layouts.ArenaLayout(3, 60_000),), board_rows=1)
ROUNDS = 1500


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = tmp_path / "slab"
    made.write_bytes(bytes(LAYOUT.size))
    return str(made)


@contextmanager
def told_by(what: Any, path: str) -> Iterator[Iterator[tuple[messages.ArrayRef, int]]]:
    """Run the other process and give what it says."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    other = context.Process(target=what, args=(path, LAYOUT, there, ROUNDS), daemon=True)
    other.start()
    try:
        yield iter(lambda: here.recv() if here.poll(30) else None, None)
        other.join(30)
        assert other.exitcode == 0
    finally:
        other.kill()
        other.join()


def test_a_picture_is_read_whole_or_known_to_be_gone(path: str) -> None:
    slab, read, lost = slabs.Slab(path, LAYOUT), 0, 0
    with told_by(other_process.keep_pictures, path) as told:
        for ref, value in told:
            try:
                content = slab.copy(ref)
            except errors.TensorLostError:
                lost += 1
            else:
                assert content == bytes([value]) * 60_000
                read += 1
    assert read + lost == ROUNDS
    assert read


def test_tensors_are_read_once_each_and_all_slots_come_back(path: str) -> None:
    slab, seen = slabs.Slab(path, LAYOUT), 0
    stale: list[messages.SlotRef] = []
    with told_by(other_process.produce_tensors, path) as told:
        for ref, value in told:
            assert (slab.array(ref) == value).all()
            assert ref.slot is not None
            slab.check(ref.slot)
            slab.free(ref.slot)
            stale = [*stale[-5:], ref.slot]
            for slot in stale:
                slab.free(slot)
                with pytest.raises(errors.TensorLostError):
                    slab.check(slot)
            seen += 1
    assert seen == ROUNDS
    assert slab.held() == []
