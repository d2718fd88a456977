"""Encoded pictures in the slab: kept by one process, copied by others, never waited for."""

import time

import pytest

from parallax.contract import errors, messages
from parallax.slab import janitor, pictures
from parallax.slab import slab as slabs

ARENA = 1
"""Two slots of 100 bytes."""


@pytest.fixture
def shelf(slab: slabs.Slab, path: str) -> pictures.Pictures:
    return pictures.Pictures(slab, ARENA, path)


def kept(shelf: pictures.Pictures, picture: bytes) -> messages.ArrayRef:
    place = shelf.keep(picture)
    assert place is not None
    return place


def test_what_is_kept_is_copied(slab: slabs.Slab, shelf: pictures.Pictures) -> None:
    first, second = kept(shelf, b"one"), kept(shelf, b"another")

    assert (slab.copy(first), slab.copy(second)) == (b"one", b"another")
    assert shelf.copy(first) == b"one"


def test_what_is_dropped_is_lost_and_its_slot_is_taken_again(
    slab: slabs.Slab, shelf: pictures.Pictures
) -> None:
    first = kept(shelf, b"one")
    shelf.drop(first)
    second = kept(shelf, b"two")

    assert second.slot is not None
    assert first.slot is not None
    assert second.slot.slot == first.slot.slot
    assert slab.copy(second) == b"two"
    with pytest.raises(errors.TensorLostError):
        slab.copy(first)


def test_a_full_arena_keeps_nothing_more(shelf: pictures.Pictures) -> None:
    places = [shelf.keep(b"x") for _ in range(3)]

    assert [place is None for place in places] == [False, False, True]


@pytest.mark.parametrize(("size", "fits"), [(100, True), (101, False)])
def test_a_picture_larger_than_a_slot_is_not_kept(
    shelf: pictures.Pictures, size: int, fits: bool
) -> None:
    assert (shelf.keep(bytes(size)) is not None) is fits


def test_a_full_file_system_keeps_nothing_and_loses_no_slot(slab: slabs.Slab) -> None:
    shelf = pictures.Pictures(slab, ARENA, "/dev/full")

    assert [shelf.keep(b"x") for _ in range(5)] == [None] * 5
    assert not slab.held()


def test_a_successor_finds_all_slots_free(slab: slabs.Slab, path: str) -> None:
    before = kept(pictures.Pictures(slab, ARENA, path), b"x")

    after = pictures.Pictures(slab, ARENA, path)

    assert not slab.held()
    assert after.keep(b"y") is not None
    assert after.keep(b"z") is not None
    with pytest.raises(errors.TensorLostError):
        slab.copy(before)


def test_the_janitor_leaves_pictures_alone(slab: slabs.Slab, shelf: pictures.Pictures) -> None:
    kept(shelf, b"x")

    assert slab.held()[0].state is slabs.SlotState.KEPT
    assert not janitor.suspects(slab.held(), time.monotonic() + 1e6, 1.0)


def test_generations_start_again_after_the_last(slab: slabs.Slab, shelf: pictures.Pictures) -> None:
    slab.begin_generations(0xFFFF_FFFF)

    assert slab.copy(kept(shelf, b"x")) == b"x"
