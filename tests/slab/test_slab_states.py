"""Random lives of slots: producers, readers, a janitor, and deaths at any point of a write.

The model knows what lies where. Whatever happens, no slot is handed out twice, a reference reads
its own bytes or is told that they are gone, and what nobody needs becomes free.
"""

import tempfile
from dataclasses import dataclass

import hypothesis
import numpy as np
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from parallax.contract import errors, messages
from parallax.slab import janitor, pictures
from parallax.slab import layout as layouts
from parallax.slab import slab as slabs

LAYOUT_OF_ONE = layouts.SlabLayout((layouts.ArenaLayout(1, 100),), board_rows=1)
ARENAS = (0, 1)
SHELF = 2
LAYOUT = layouts.SlabLayout(
    (layouts.ArenaLayout(3, 5000), layouts.ArenaLayout(2, 100), layouts.ArenaLayout(2, 64)), 1
)
SIZES = {0: 5000, 1: 100, SHELF: 64}
picks = st.integers(0, 1 << 16)


@dataclass
class Slot:
    """What the model knows of a slot that is in use."""

    ref: messages.ArrayRef
    content: bytes
    record: str
    state: slabs.SlotState


class Lives(stateful.RuleBasedStateMachine):
    """Two mappings of one file: what one writes the other reads."""

    def __init__(self) -> None:
        super().__init__()
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(LAYOUT.size)
            self.slab = slabs.Slab(file.name, LAYOUT)
            self.reader = slabs.Slab(file.name, LAYOUT)
            self.handle = open(file.name, "r+b")  # noqa: SIM115 - closed in teardown
        self.slab.begin_generations(0xFFFF_FFFD)  # so that the counters begin anew
        self.path = f"/proc/self/fd/{self.handle.fileno()}"
        self.shelf = pictures.Pictures(self.slab, SHELF, self.path)
        self.used: dict[tuple[int, int], Slot] = {}
        self.gone: list[messages.ArrayRef] = []
        self.ended: set[str] = set()
        self.number = 0

    def teardown(self) -> None:
        self.shelf.close()
        self.handle.close()

    @stateful.rule(arena=st.sampled_from(ARENAS), fill=st.binary(min_size=1, max_size=100))
    def begin_to_write(self, arena: int, fill: bytes) -> None:
        self.number += 1
        record = f"{self.number}-{self.number % 3}"
        slot = self.slab.arena(arena).allocate(record)
        free = LAYOUT.arenas[arena].slots - sum(place == arena for place, _ in self.used)
        assert (slot is not None) is (free > 0)
        assert self.slab.arena(arena).has_room() is (free - (slot is not None) > 0)
        if slot is not None:
            ref = messages.ArrayRef((len(fill),), "|u1", slot)
            self.enter(Slot(ref, fill, record, slabs.SlotState.WRITING))

    @stateful.rule(pick=picks)
    def publish(self, pick: int) -> None:
        one = self.choose(slabs.SlotState.WRITING, pick)
        if one is not None:
            slot = place_of(one.ref)
            buffer = self.slab.arena(slot.arena).buffer(slot, len(one.content))
            buffer[:] = np.frombuffer(one.content, np.uint8)
            self.slab.arena(slot.arena).publish(slot)
            one.state = slabs.SlotState.READY

    @stateful.rule(content=st.binary(max_size=80))
    def keep(self, content: bytes) -> None:
        ref = self.shelf.keep(content)
        taken = sum(arena == SHELF for arena, _ in self.used)
        assert (ref is not None) is (taken < 2 and len(content) <= SIZES[SHELF])
        if ref is not None:
            self.enter(Slot(ref, content, "", slabs.SlotState.KEPT))

    @stateful.rule(pick=picks)
    def drop(self, pick: int) -> None:
        one = self.choose(slabs.SlotState.KEPT, pick)
        if one is not None:
            self.shelf.drop(one.ref)
            self.leave(one)

    @stateful.rule(pick=picks)
    def consume(self, pick: int) -> None:
        one = self.choose(slabs.SlotState.READY, pick)
        if one is not None:
            assert self.reader.copy(one.ref) == one.content
            self.reader.free(place_of(one.ref))
            self.leave(one)

    @stateful.rule(pick=picks)
    def free_late(self, pick: int) -> None:
        """A consumer that was presumed dead frees what it once held."""
        if self.gone:
            self.reader.free(place_of(self.gone[pick % len(self.gone)]))

    @stateful.rule(arena=st.sampled_from(ARENAS))
    def die_while_writing(self, arena: int) -> None:
        self.slab.arena(arena).reclaim_unfinished()
        for one in list(self.used.values()):
            if one.state is slabs.SlotState.WRITING and place_of(one.ref).arena == arena:
                self.leave(one)

    @stateful.rule()
    def die_as_api(self) -> None:
        self.shelf.close()
        self.shelf = pictures.Pictures(self.slab, SHELF, self.path)
        for one in list(self.used.values()):
            if place_of(one.ref).arena == SHELF:
                self.leave(one)

    @stateful.rule(pick=picks)
    def end_request(self, pick: int) -> None:
        if self.number:
            number = 1 + pick % self.number
            self.ended.add(f"{number}-{number % 3}")

    @stateful.rule()
    def sweep(self) -> None:
        suspected = janitor.suspects(self.reader.held(), now=1e12, min_age=1.0)
        for held in janitor.orphans(suspected, lambda record: record not in self.ended):
            self.reader.free(held.ref)
        for one in list(self.used.values()):
            if one.state is slabs.SlotState.READY and one.record in self.ended:
                self.leave(one)

    @stateful.invariant()
    def exactly_what_is_used_is_held(self) -> None:
        held = {(each.ref.arena, each.ref.slot): each for each in self.reader.held()}
        assert set(held) == set(self.used)
        for place, one in self.used.items():
            assert held[place].ref == one.ref.slot
            assert held[place].state is one.state
            assert not one.record or held[place].record == one.record

    @stateful.invariant()
    def each_reference_reads_its_own_bytes_or_none(self) -> None:
        for one in self.used.values():
            if one.state is slabs.SlotState.WRITING:
                with pytest.raises(errors.TensorLostError):
                    self.reader.array(one.ref)
            else:
                assert self.reader.copy(one.ref) == one.content
        for ref in self.gone:
            with pytest.raises(errors.TensorLostError):
                self.reader.copy(ref)

    def enter(self, one: Slot) -> None:
        slot = place_of(one.ref)
        assert (slot.arena, slot.slot) not in self.used, "handed out twice"
        assert one.ref.slot not in {ref.slot for ref in self.gone}, "a reference came back"
        self.used[slot.arena, slot.slot] = one

    def leave(self, one: Slot) -> None:
        slot = place_of(one.ref)
        del self.used[slot.arena, slot.slot]
        self.gone.append(one.ref)

    def choose(self, state: slabs.SlotState, pick: int) -> Slot | None:
        there = [one for one in self.used.values() if one.state is state]
        return there[pick % len(there)] if there else None


def place_of(ref: messages.ArrayRef) -> messages.SlotRef:
    assert ref.slot is not None
    return ref.slot


class Interrupted(slabs.Slab):
    """A mapping whose every step of an allocation is followed by somebody's late free."""

    late: messages.SlotRef | None = None

    def set_state(self, index: int, state: slabs.SlotState) -> None:
        super().set_state(index, state)
        late, self.late = self.late, None
        if late is not None:
            self.free(late)
            self.late = late


def test_a_late_free_in_the_midst_of_an_allocation_frees_nothing(path: str) -> None:
    slab = Interrupted(path, LAYOUT_OF_ONE)
    first = slab.arena(0).allocate("1-0")
    assert first is not None
    slab.free(first)
    slab.late = first

    assert slab.arena(0).allocate("2-0") is not None
    assert slab.arena(0).allocate("3-0") is None, "handed out twice"


TestLives = Lives.TestCase
TestLives.settings = hypothesis.settings(max_examples=60, stateful_step_count=40)
