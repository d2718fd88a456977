"""Slots, generations and boards, in one process and between two."""

import multiprocessing
import tempfile
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import errors, messages
from parallax.slab import layout as layouts
from parallax.slab import slab as slabs
from tests.slab import other_process

RECORD = "12-34"


def written(slab: slabs.Slab, arena: int = 0, value: int = 7) -> messages.ArrayRef:
    producer = slab.arena(arena)
    slot = producer.allocate(RECORD)
    assert slot is not None
    producer.buffer(slot, 6)[:] = value
    producer.publish(slot)
    return messages.ArrayRef((2, 3), "|u1", slot)


def slot_of(ref: messages.ArrayRef) -> messages.SlotRef:
    assert ref.slot is not None
    return ref.slot


def test_what_was_written_is_read(slab: slabs.Slab) -> None:
    array = slab.array(written(slab))

    assert array.shape == (2, 3)
    assert (array == 7).all()


def test_arenas_do_not_touch_each_other(slab: slabs.Slab) -> None:
    first, second = written(slab, 0, 1), written(slab, 1, 2)

    assert (slab.array(first) == 1).all()
    assert (slab.array(second) == 2).all()


def test_other_types_keep_their_values(slab: slabs.Slab) -> None:
    arena, values = slab.arena(0), np.linspace(0, 1, 5, dtype=np.float32)
    slot = arena.allocate(RECORD)
    assert slot is not None
    arena.buffer(slot, values.nbytes)[:] = values.view(np.uint8)
    arena.publish(slot)

    assert (slab.array(messages.ArrayRef((5,), "<f4", slot)) == values).all()


def test_a_full_arena_gives_no_slot_and_a_freed_one_is_given_again(slab: slabs.Slab) -> None:
    arena = slab.arena(1)
    taken = [arena.allocate(RECORD), arena.allocate(RECORD)]
    assert arena.allocate(RECORD) is None
    assert taken[1] is not None

    slab.free(taken[1])

    again = arena.allocate(RECORD)
    assert again == messages.SlotRef(1, taken[1].slot, taken[1].generation + 1)


def test_a_stale_reference_cannot_read_the_slot_of_another(slab: slabs.Slab) -> None:
    stale = written(slab)
    slab.free(slot_of(stale))
    current = written(slab, value=9)
    assert slot_of(current).slot == slot_of(stale).slot

    with pytest.raises(errors.TensorLostError):
        slab.array(stale)
    with pytest.raises(errors.TensorLostError):
        slab.check(slot_of(stale))


def test_a_stale_reference_cannot_free_the_slot_of_another(slab: slabs.Slab) -> None:
    stale = written(slab)
    slab.free(slot_of(stale))
    current = written(slab, value=9)

    slab.free(slot_of(stale))

    assert (slab.array(current) == 9).all()


def test_a_freed_slot_cannot_be_read(slab: slabs.Slab) -> None:
    ref = written(slab)
    slab.free(slot_of(ref))

    with pytest.raises(errors.TensorLostError):
        slab.array(ref)


def test_a_slot_cannot_be_read_before_it_is_published(slab: slabs.Slab) -> None:
    slot = slab.arena(0).allocate(RECORD)

    with pytest.raises(errors.TensorLostError):
        slab.array(messages.ArrayRef((1,), "|u1", slot))


def test_held_slots_tell_record_state_and_age(slab: slabs.Slab) -> None:
    ready = slot_of(written(slab, 1))
    writing = slab.arena(0).allocate("99-0")

    held = {each.ref: each for each in slab.held()}

    assert writing is not None
    assert set(held) == {ready, writing}
    assert (held[ready].record, held[ready].state) == (RECORD, slabs.SlotState.READY)
    assert (held[writing].record, held[writing].state) == ("99-0", slabs.SlotState.WRITING)
    assert held[ready].since <= held[writing].since


def test_a_successor_reclaims_only_what_was_being_written_in_its_own_arena(
    slab: slabs.Slab,
) -> None:
    ready = slot_of(written(slab))
    slab.arena(0).allocate(RECORD)
    elsewhere = slab.arena(1).allocate(RECORD)

    slab.arena(0).reclaim_unfinished()

    assert {each.ref for each in slab.held()} == {ready, elsewhere}


OUTSIDE = [
    messages.SlotRef(2, 0, 0),
    messages.SlotRef(-1, 0, 0),
    messages.SlotRef(0, 3, 0),
    messages.SlotRef(0, -1, 0),
    messages.SlotRef(1 << 60, 1 << 60, 0),
]


@pytest.mark.parametrize("slot", OUTSIDE)
def test_a_reference_outside_the_slab_is_malformed(
    slab: slabs.Slab, slot: messages.SlotRef
) -> None:
    with pytest.raises(errors.MalformedEntryError):
        slab.array(messages.ArrayRef((1,), "|u1", slot))
    with pytest.raises(errors.MalformedEntryError):
        slab.check(slot)


@pytest.mark.parametrize("slot", OUTSIDE)
def test_freeing_outside_the_slab_touches_nothing(slab: slabs.Slab, slot: messages.SlotRef) -> None:
    held = [written(slab, arena).slot for arena in (0, 0, 0, 1, 1)]

    for generation in (0, 1):
        slab.free(messages.SlotRef(slot.arena, slot.slot, generation))

    assert [each.ref for each in slab.held()] == held


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1 << 20,), "|u1"),
        ((5001,), "|u1"),
        ((-1, -6), "|u1"),
        ((-6,), "|u1"),
        ((1 << 40, 1 << 40), "|u1"),
        ((6,), "nonsense"),
        ((6,), "O"),
        ((6,), ""),
    ],
)
def test_an_array_that_no_slot_can_hold_is_malformed(
    slab: slabs.Slab, shape: tuple[int, ...], dtype: str
) -> None:
    slot = slot_of(written(slab))

    with pytest.raises(errors.MalformedEntryError):
        slab.array(messages.ArrayRef(shape, dtype, slot))


def test_an_array_without_a_slot_is_not_in_the_slab(slab: slabs.Slab) -> None:
    with pytest.raises(errors.MalformedEntryError):
        slab.array(messages.ArrayRef((1,), "|u1"))


@given(st.lists(st.tuples(st.sampled_from(["write", "free", "stale"]), st.integers(0, 9))))
def test_every_reference_reads_its_own_bytes_or_nothing(steps: list[tuple[str, int]]) -> None:
    layout = layouts.SlabLayout((layouts.ArenaLayout(3, 64),), 1)
    live: list[tuple[messages.ArrayRef, int]] = []
    dead: list[messages.ArrayRef] = []
    slab = _in_memory(layout)
    for number, (step, pick) in enumerate(steps):
        if step == "write" and len(live) < 3:
            live.append((written(slab, value=number % 256), number % 256))
        elif step == "free" and live:
            ref, _ = live.pop(pick % len(live))
            slab.free(slot_of(ref))
            dead.append(ref)
        elif step == "stale" and dead:
            slab.free(slot_of(dead[pick % len(dead)]))
        assert all((slab.array(ref) == value).all() for ref, value in live)
        for ref in dead:
            with pytest.raises(errors.TensorLostError):
                slab.array(ref)
    assert len(slab.held()) == len(live)


def test_the_board_shows_what_is_worked_on_and_nothing_after(slab: slabs.Slab) -> None:
    writer, reader = slab.board(0), slab.board(0)
    assert reader.read() == frozenset()

    writer.begin("1-0", "2-5")
    writer.begin("3-0")
    assert reader.read() == {"1-0", "2-5", "3-0"}

    writer.end("2-5")
    assert reader.read() == {"1-0", "3-0"}
    writer.end("1-0", "3-0")
    assert reader.read() == frozenset()


def test_board_rows_are_apart(slab: slabs.Slab) -> None:
    slab.board(0).begin("1-0")

    assert slab.board(1).read() == frozenset()


def test_a_board_can_be_cleared_for_a_dead_writer(slab: slabs.Slab) -> None:
    slab.board(0).begin("1-0")

    slab.board(0).clear()

    assert slab.board(0).read() == frozenset()
    assert slab.board(0).busy_for(1e12) == 0.0


def test_a_board_with_more_entries_than_room_shows_the_oldest_that_fit(slab: slabs.Slab) -> None:
    board, room = slab.board(0), slab.layout.board_ids
    ids = [f"{number}-0" for number in range(room + 5)]
    board.begin(*ids)
    assert board.read() == set(ids[:room])

    board.end(*ids[:room])

    assert board.read() == set(ids[room:])


def test_busy_time_counts_from_the_begin_of_the_oldest_entry(
    slab: slabs.Slab, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    board = slab.board(0)
    assert board.busy_for(500.0) == 0.0

    board.begin("1-0")
    now = 105.0
    board.begin("2-0")
    assert board.busy_for(110.0) == pytest.approx(10.0)

    board.end("1-0")
    assert board.busy_for(110.0) == pytest.approx(5.0)

    board.end("2-0")
    assert board.busy_for(110.0) == 0.0


def test_one_entry_that_hangs_is_seen_although_others_come_and_go(
    slab: slabs.Slab, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    board = slab.board(0)
    board.begin("1-0")
    for step in range(1, 60):
        now = float(step)
        board.begin(f"{step}-1")
        board.end(f"{step}-1")

    assert board.busy_for(60.0) == pytest.approx(60.0)


def test_a_reference_into_an_earlier_slab_is_lost_and_not_anothers(slab: slabs.Slab) -> None:
    earlier = written(slab)
    slab.free(slot_of(earlier))
    slab.begin_generations(1000)

    current = written(slab, value=9)

    assert slot_of(current).generation > 1000
    with pytest.raises(errors.TensorLostError):
        slab.array(earlier)


def test_two_processes_see_each_others_data(
    slab: slabs.Slab, path: str, layout: layouts.SlabLayout
) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    other = context.Process(target=other_process.produce, args=(path, layout, there))
    other.start()
    assert here.poll(20), "the other process said nothing"
    ref = here.recv()

    assert (slab.array(ref) == np.arange(12, dtype=np.uint8).reshape(3, 4)).all()
    assert [each.record for each in slab.held()] == [other_process.RECORD]
    assert slab.board(1).read() == {other_process.ENTRY}

    slab.free(ref.slot)
    here.send("freed")
    assert here.poll(20)
    assert here.recv(), "the other process did not see the slot become free"
    other.join()


def test_a_slot_outlives_its_writer_and_its_successor_reclaims_it(
    slab: slabs.Slab, path: str, layout: layouts.SlabLayout
) -> None:
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=other_process.die_while_writing, args=(path, layout))
    writer.start()
    writer.join()
    assert [each.state for each in slab.held()] == [slabs.SlotState.WRITING]

    slab.arena(0).reclaim_unfinished()

    assert slab.held() == []


def _in_memory(layout: layouts.SlabLayout) -> slabs.Slab:
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(layout.size)
        return slabs.Slab(file.name, layout)


def test_a_reader_between_two_writes_never_takes_the_end_of_work_for_a_hang(
    slab: slabs.Slab,
) -> None:
    seen: list[float] = []

    class Slow:
        """The writer's row, with a reader after each single write."""

        def __init__(self, row: Any) -> None:
            self.row = row

        def __getitem__(self, name: str) -> Any:
            return self.row[name]

        def __setitem__(self, name: str, value: Any) -> None:
            self.row[name] = value
            seen.append(slab.board(0).busy_for(time.monotonic()))

    board = slab.board(0)
    board._row = Slow(board._row)
    for entry in ("1-0", "2-0", "3-0"):
        board.begin(entry)
        board.end(entry)

    assert max(seen) < 60.0
    assert seen[-1] == 0.0


def test_an_arena_has_room_until_all_its_slots_are_taken(slab: slabs.Slab) -> None:
    arena = slab.arena(0)
    told = [(arena.has_room(), arena.allocate("1-0")) for _ in range(3)]

    assert [room for room, _ in told] == [True] * 3
    assert not arena.has_room()
    first = told[0][1]
    assert first is not None
    slab.free(first)
    assert arena.has_room()
