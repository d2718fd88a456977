"""What the other process does in a test with two."""

from multiprocessing.connection import Connection

import numpy as np

from parallax.contract import messages
from parallax.slab import layout as layouts
from parallax.slab import pictures
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


def keep_pictures(path: str, layout: layouts.SlabLayout, line: Connection, rounds: int) -> None:
    """Keep and drop pictures all the time, whoever reads them: each is one byte many times over."""
    shelf = pictures.Pictures(slabs.Slab(path, layout), 0, path)
    kept: list[messages.ArrayRef] = []
    for number in range(rounds):
        ref = shelf.keep(bytes([number % 251]) * layout.arenas[0].slot_bytes)
        assert ref is not None
        kept.append(ref)
        line.send((ref, number % 251))
        if len(kept) == layout.arenas[0].slots:
            shelf.drop(kept.pop(0))
    line.send(None)


def produce_tensors(path: str, layout: layouts.SlabLayout, line: Connection, rounds: int) -> None:
    """Write a tensor into each slot as soon as it is free, and say where."""
    arena = slabs.Slab(path, layout).arena(0)
    number = 0
    while number < rounds:
        slot = arena.allocate(f"{number}-0")
        if slot is not None:
            arena.buffer(slot, arena.slot_bytes)[:] = number % 251
            arena.publish(slot)
            line.send((messages.ArrayRef((arena.slot_bytes,), "|u1", slot), number % 251))
            number += 1
    line.send(None)
