"""Where everything lies in the node's shared-memory file: arithmetic only.

    [ slot headers of all arenas | board rows | data of arena 0 | data of arena 1 | ... ]

One arena belongs to one producer slot (a pre worker, an inference loop), not to its process, so
that it outlives a crash. All slots of an arena have one size.
"""

from dataclasses import dataclass

import numpy as np

PAGE = 4096

SLOT_HEADER = np.dtype(
    [
        ("state", np.uint8),
        ("generation", np.uint32),
        ("record_ms", np.uint64),
        ("record_seq", np.uint64),
        ("since", np.float64),
    ],
    align=True,
)
"""State of a slot; ``record_*`` name the request it serves, ``since`` is monotonic seconds."""

MIN_BOARD_IDS = 16


def board_row(ids: int) -> np.dtype[np.void]:
    """Return the row type of a board: what a consumer is working on at this moment.

    That is the ids of at most ``ids`` entries, since when it has been busy with the oldest
    (monotonic seconds), and whether it is killed because work on them does not end.
    """
    return np.dtype(
        [
            ("count", np.uint32),
            ("hung", np.uint8),
            ("since", np.float64),
            ("ids", np.uint64, (ids, 2)),
        ],
        align=True,
    )


@dataclass(frozen=True, slots=True)
class ArenaLayout:
    """The slots of one producer."""

    slots: int
    slot_bytes: int


@dataclass(frozen=True, slots=True)
class SlabLayout:
    """Sizes of everything; offsets follow from them."""

    arenas: tuple[ArenaLayout, ...]
    board_rows: int
    board_ids: int = MIN_BOARD_IDS
    """Entries a consumer may be working on at a time."""

    @property
    def total_slots(self) -> int:
        """Number of slots in all arenas."""
        return sum(arena.slots for arena in self.arenas)

    @property
    def board_offset(self) -> int:
        """Byte offset of the first board row."""
        return _pages(self.total_slots * SLOT_HEADER.itemsize)

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self.data_offset(len(self.arenas))

    def first_slot(self, arena: int) -> int:
        """Index of an arena's first slot among all slot headers."""
        return sum(each.slots for each in self.arenas[:arena])

    def data_offset(self, arena: int) -> int:
        """Byte offset of an arena's first slot (for ``len(arenas)``: the end of the file)."""
        start = self.board_offset + _pages(self.board_rows * board_row(self.board_ids).itemsize)
        return start + sum(_pages(a.slot_bytes) * a.slots for a in self.arenas[:arena])

    def slot_offset(self, arena: int, slot: int) -> int:
        """Byte offset of a slot's data, page-aligned."""
        return self.data_offset(arena) + slot * _pages(self.arenas[arena].slot_bytes)


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE
