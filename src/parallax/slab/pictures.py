"""An api process's arena: encoded pictures on their way to the workers of this node.

So a picture is written once and read once, where the broker would copy it half a dozen times. The
api process alone takes and frees these slots, for as long as the request waits; whoever reads one
copies it and then looks whether it was still the same. What finds no place here travels through the
broker.
"""

import os

from parallax.contract import messages
from parallax.slab import slab as slabs


class Pictures:
    """The producer's side. One process has it at a time, and uses it from one thread."""

    def __init__(self, slab: slabs.Slab, index: int, path: str) -> None:
        self._slab = slab
        self._index = index
        self._headers = slab.arena_headers(index)
        # Written through a descriptor: a full tmpfs is an error there, and a SIGBUS in a mapping.
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._headers["state"] = slabs.SlotState.FREE  # nobody waits for a predecessor's
        # The slot that was freed last is taken first: its pages are there, and warm.
        self._free = list(reversed(range(len(self._headers))))

    def keep(self, picture: bytes) -> messages.ArrayRef | None:
        """Return where the picture lies from now on; None if it is too large or nothing is free."""
        size = len(picture)
        if not self._free or size > self._slab.layout.arenas[self._index].slot_bytes:
            return None
        slot = self._free.pop()
        if not self._write(picture, self._slab.layout.slot_offset(self._index, slot)):
            self._free.append(slot)
            return None
        header = self._headers[slot]
        generation = (int(header["generation"]) + 1) & 0xFFFF_FFFF
        header["generation"] = generation
        header["state"] = slabs.SlotState.KEPT
        place = messages.SlotRef(self._index, slot, generation)
        return messages.ArrayRef((size,), "|u1", place)

    def copy(self, ref: messages.ArrayRef) -> bytes:
        """Return the picture that ``keep`` put there."""
        return self._slab.copy(ref)

    def drop(self, ref: messages.ArrayRef) -> None:
        """Free what ``keep`` returned. To be called once."""
        if ref.slot is not None:
            self._slab.free(ref.slot)
            self._free.append(ref.slot.slot)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, picture: bytes, offset: int) -> bool:
        try:
            return os.pwrite(self._file, picture, offset) == len(picture)
        except OSError:
            return False
