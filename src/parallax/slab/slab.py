"""The node's shared memory, mapped: tensors go through it and never through the broker.

A slot is FREE -> WRITING -> READY -> FREE. Only its producer takes it from FREE to READY, only the
consumer that holds the entry (or the janitor, when there is none) frees it, so no lock is needed;
the entry's trip through the broker orders the writes. (Encoded pictures are FREE -> KEPT -> FREE:
see ``slab.pictures``.) A generation counter, raised at each
allocation, tells a late reader that the slot it refers to has moved on.
"""

import math
import mmap
import struct
import time
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, messages
from parallax.slab import layout as layouts


class SlotState(IntEnum):
    """Life of a slot."""

    FREE = 0
    WRITING = 1
    READY = 2
    KEPT = 3
    """Written, and freed by its producer alone."""


_READABLE = frozenset({int(SlotState.READY), int(SlotState.KEPT)})

# One field of one header is read and written through plain views of the map: as NumPy's records
# that costs ten times as much.
_HEADER_BYTES = layouts.SLOT_HEADER.itemsize
_HEADER_WORDS = _HEADER_BYTES // 4
_RECORD = struct.Struct("QQd")
"""What a header tells of its request: ``record_ms``, ``record_seq`` and ``since``."""


def _at(field: str) -> int:
    fields = layouts.SLOT_HEADER.fields
    assert fields is not None
    return fields[field][1]


_GENERATION_WORD = _at("generation") // 4
_RECORD_AT = _at("record_ms")


@dataclass(frozen=True, slots=True)
class Held:
    """A slot that is in use, as the janitor sees it. ``since`` is monotonic seconds."""

    ref: messages.SlotRef
    record: str
    state: SlotState
    since: float


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an arena lies: the index of its first header, the bytes before its first slot and from
    one slot to the next."""

    slots: int
    slot_bytes: int
    first: int
    offset: int
    stride: int

    @classmethod
    def of(cls, layout: layouts.SlabLayout, number: int) -> "_Place":
        arena = layout.arenas[number]
        start, second = layout.slot_offset(number, 0), layout.slot_offset(number, 1)
        return cls(arena.slots, arena.slot_bytes, layout.first_slot(number), start, second - start)


class Slab:
    """A mapping of the slab file; every process of the node has one."""

    def __init__(self, path: str, layout: layouts.SlabLayout) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), layout.size)
        self.layout = layout
        self._bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._headers = self._bytes[: layout.total_slots * layouts.SLOT_HEADER.itemsize].view(
            layouts.SLOT_HEADER
        )
        self._plain = memoryview(self._map)
        self._words = self._plain.cast("I")
        self._places = [_Place.of(layout, arena) for arena in range(len(layout.arenas))]
        row = layouts.board_row(layout.board_ids)
        board_end = layout.board_offset + layout.board_rows * row.itemsize
        self._board = self._bytes[layout.board_offset : board_end].view(row)

    def array(self, ref: messages.ArrayRef) -> NDArray[np.generic]:
        """Return a view of the array in a slot; it is valid until the slot is freed.

        Raises:
            TensorLostError: the slot has another generation, or nothing to read.
            MalformedEntryError: the reference points outside the slab or describes no array.
        """
        slot = ref.slot
        if slot is None:
            raise errors.MalformedEntryError("entry refers to no slot")
        self.check(slot)
        try:
            dtype = np.dtype(ref.dtype)
            nbytes = math.prod(ref.shape) * dtype.itemsize
            if min(ref.shape, default=0) < 0 or nbytes > self._places[slot.arena].slot_bytes:
                raise errors.MalformedEntryError("entry refers to more bytes than a slot has")
            return self._data(slot.arena, slot.slot, nbytes).view(dtype).reshape(ref.shape)
        except (TypeError, ValueError, SyntaxError) as problem:  # a type may be an expression
            raise errors.MalformedEntryError(f"entry describes no array: {problem}") from problem

    def copy(self, ref: messages.ArrayRef) -> bytes:
        """Return the bytes of an array in a slot that may be freed at any moment.

        Raises:
            TensorLostError, MalformedEntryError: as ``array``.
        """
        content = self.array(ref).tobytes()
        if ref.slot is not None:
            self.check(ref.slot)
        return content

    def check(self, slot: messages.SlotRef) -> None:
        """Raise ``TensorLostError`` unless the slot still holds this generation.

        Raises:
            MalformedEntryError: the reference points outside the slab.
        """
        index = self._index(slot)
        if index is None:
            raise errors.MalformedEntryError("entry refers to a slot outside the slab")
        if self.generation(index) != slot.generation or self.state(index) not in _READABLE:
            raise errors.TensorLostError("the slab slot of this request was reused")

    def free(self, slot: messages.SlotRef) -> None:
        """Free a slot, unless it has moved on to another generation or never existed."""
        index = self._index(slot)
        if index is not None and self.generation(index) == slot.generation:
            self.set_state(index, SlotState.FREE)

    def begin_generations(self, first: int) -> None:
        """Let all generations start at ``first``, which another slab has never reached.

        An entry that outlived an earlier slab (on a durable or somebody else's broker) then refers
        to no slot of this one, and is computed again. Called once, by the slab's maker.
        """
        self._headers["generation"] = first

    def held(self) -> list[Held]:
        """Return all slots that are not free."""
        found: list[Held] = []
        for index in np.flatnonzero(self._headers["state"]):
            header = self._headers[index]
            arena, slot = self._locate(int(index))
            found.append(
                Held(
                    messages.SlotRef(arena, slot, int(header["generation"])),
                    f"{header['record_ms']}-{header['record_seq']}",
                    SlotState(int(header["state"])),
                    float(header["since"]),
                )
            )
        return found

    def board(self, row: int) -> "Board":
        """Return the board row of a consumer slot."""
        return Board(self._board[row : row + 1])

    def arena(self, index: int) -> "Arena":
        """Return the producer's side of an arena."""
        return Arena(self, index)

    def arena_headers(self, arena: int) -> NDArray[np.void]:
        """Return the slot headers of an arena, for its producer."""
        first = self.layout.first_slot(arena)
        return self._headers[first : first + self.layout.arenas[arena].slots]

    def generation(self, index: int) -> int:
        """Return the generation of the slot whose header is the ``index``-th of all."""
        return self._words[index * _HEADER_WORDS + _GENERATION_WORD]

    def state(self, index: int) -> int:
        """Return the state of such a slot."""
        return self._plain[index * _HEADER_BYTES]

    def set_state(self, index: int, state: SlotState) -> None:
        """Set the state of such a slot."""
        self._plain[index * _HEADER_BYTES] = state

    def take_free(self, arena: int, record: str) -> messages.SlotRef | None:
        """Take the first free slot of an arena for a request; None if there is none."""
        slot = self._first_free(arena)
        if slot < 0:
            return None
        index = self._places[arena].first + slot
        # Generation first: who comes late to free what lay here before frees nothing. Then the
        # state: a janitor that looks in between sees WRITING and leaves the slot alone.
        generation = (self.generation(index) + 1) & 0xFFFF_FFFF
        self._words[index * _HEADER_WORDS + _GENERATION_WORD] = generation
        self.set_state(index, SlotState.WRITING)
        milliseconds, _, sequence = record.partition("-")
        of = (int(milliseconds), int(sequence or 0), time.monotonic())
        _RECORD.pack_into(self._plain, index * _HEADER_BYTES + _RECORD_AT, *of)
        return messages.SlotRef(arena, slot, generation)

    def has_free(self, arena: int) -> bool:
        """Say whether ``take_free`` would find a slot."""
        return self._first_free(arena) >= 0

    def _first_free(self, arena: int) -> int:
        place = self._places[arena]
        states = self._plain[place.first * _HEADER_BYTES :: _HEADER_BYTES]
        return states[: place.slots].tobytes().find(SlotState.FREE)

    def _index(self, slot: messages.SlotRef) -> int | None:
        """Return which of all headers is that of a slot; None if there is no such slot."""
        if not 0 <= slot.arena < len(self._places):
            return None
        place = self._places[slot.arena]
        return place.first + slot.slot if 0 <= slot.slot < place.slots else None

    def _data(self, arena: int, slot: int, nbytes: int) -> NDArray[np.uint8]:
        place = self._places[arena]
        offset = place.offset + slot * place.stride
        return self._bytes[offset : offset + nbytes]

    def _locate(self, index: int) -> tuple[int, int]:
        arena = 0
        while index >= self.layout.arenas[arena].slots:
            index -= self.layout.arenas[arena].slots
            arena += 1
        return arena, index


class Arena:
    """The producer's side of an arena: takes free slots, without a lock and without the broker."""

    def __init__(self, slab: Slab, index: int) -> None:
        self._slab = slab
        self._index = index
        self._headers = slab.arena_headers(index)
        self._first = slab.layout.first_slot(index)
        self.slot_bytes = slab.layout.arenas[index].slot_bytes

    def reclaim_unfinished(self) -> None:
        """Free the slots that a predecessor of this process was writing when it died."""
        unfinished = self._headers["state"] == SlotState.WRITING
        self._headers["state"][unfinished] = SlotState.FREE

    def allocate(self, record: str) -> messages.SlotRef | None:
        """Take a free slot for a request, or return None while the arena is full."""
        return self._slab.take_free(self._index, record)

    def has_room(self) -> bool:
        """Say whether there is a free slot."""
        return self._slab.has_free(self._index)

    def buffer(self, slot: messages.SlotRef, nbytes: int) -> NDArray[np.uint8]:
        """Return the slot's first ``nbytes`` bytes, to be written."""
        return self._slab._data(self._index, slot.slot, nbytes)

    def publish(self, slot: messages.SlotRef) -> None:
        """Declare the slot written: from now on it belongs to whoever holds the entry."""
        self._slab.set_state(self._first + slot.slot, SlotState.READY)


class Board:
    """One consumer's public note of what it is working on.

    When the consumer dies, the supervisor reads from it which entries to blame and which were
    merely waiting in its hands; while it lives, since when it has been busy.
    """

    def __init__(self, row: NDArray[np.void]) -> None:
        self._row = row[0]
        self._room = len(self._row["ids"])
        self._working: dict[str, float] = {}
        self._doubles: Counter[str] = Counter()
        """Entries of several streams may have the same id: how many of them, less one."""

    def begin(self, *ids: str) -> None:
        """Note entries as being worked on from now on."""
        now = time.monotonic()
        for entry in ids:
            if entry in self._working:
                self._doubles[entry] += 1
            else:
                self._working[entry] = now
        self._write()

    def end(self, *ids: str) -> None:
        """Note entries as done."""
        for entry in ids:
            if self._doubles[entry] > 0:
                self._doubles[entry] -= 1
            else:
                self._working.pop(entry, None)
                del self._doubles[entry]
        self._write()

    def read(self) -> frozenset[str]:
        """Return the entry ids noted by whoever writes this row."""
        count = min(int(self._row["count"]), self._room)
        return frozenset(f"{ms}-{seq}" for ms, seq in self._row["ids"][:count])

    def busy_for(self, now: float) -> float:
        """Return for how many seconds the writer has worked on its oldest entry; 0 if idle."""
        return max(0.0, now - float(self._row["since"])) if self._row["count"] else 0.0

    @property
    def hung(self) -> bool:
        """Whether the writer was killed because work on what it noted did not end."""
        return bool(self._row["hung"])

    def accuse(self, *ids: str) -> None:
        """Note only these: work on them does not end, and the writer is about to be killed for
        it. Without ids: what is noted already."""
        self._row["hung"] = 1
        if ids:
            self._working = {each: self._working[each] for each in ids if each in self._working}
            self._write()

    def clear(self) -> None:
        """Forget everything (the writer is dead)."""
        self._row["count"] = 0
        self._row["hung"] = 0

    def _write(self) -> None:
        # Insertion order is age: the first is the oldest.
        shown = list(self._working)[: self._room]
        for position, entry in enumerate(shown):
            milliseconds, _, sequence = entry.partition("-")
            self._row["ids"][position] = int(milliseconds), int(sequence)
        if shown:
            # Left as it is when nothing is shown: a reader between the two writes would otherwise
            # see a worker that has been busy since the machine was started.
            self._row["since"] = self._working[shown[0]]
        # Count last: a reader never sees an id that is not written yet.
        self._row["count"] = len(shown)
