"""What the other process does in a test with two."""

from multiprocessing.connection import Connection

import numpy as np

from parallax.contract import messages
from parallax.slab import layout as layouts
from parallax.slab import slab as slabs

RECORD = "1700000000000-7"
ENTRY = "1700000000001-0"


def produce(path: str, layout: layouts.SlabLayout, line: Connection) -> None:
    """Write an array, say where it is, and wait; then say whether the slot was freed."""
    slab = slabs.Slab(path, layout)
    arena = slab.arena(0)
    slab.board(1).begin(ENTRY)
    slot = arena.allocate(RECORD)
    assert slot is not None
    arena.buffer(slot, 12)[:] = np.arange(12, dtype=np.uint8)
    arena.publish(slot)
    line.send(messages.ArrayRef((3, 4), "|u1", slot))
    line.recv()
    line.send(slab.held() == [])


def die_while_writing(path: str, layout: layouts.SlabLayout) -> None:
    """Take a slot and end before it is written."""
    slabs.Slab(path, layout).arena(0).allocate(RECORD)
