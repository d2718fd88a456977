"""The pre stage as a consumer's handler: encoded picture in, slab slot and infer entry out."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parallax.broker import base, keys
from parallax.contract import errors, messages, spec, wire
from parallax.contract.decoding import Decoding
from parallax.slab import slab as slabs
from parallax.stages import pre
from parallax.workers import originals, triage

SLOT_PATIENCE = 5.0
"""Seconds a picture may wait for a free slot before its client is told that we are overloaded."""


@dataclass(frozen=True, slots=True)
class PreHandler:
    """Turns pre entries into infer entries."""

    seat: triage.Seat
    keys: keys.Keys
    models: Mapping[str, spec.ModelSpec]
    arena: slabs.Arena
    slab: slabs.Slab
    max_pixels: int
    decoding: Decoding = Decoding.FAST

    def __call__(self, entry: base.Entry) -> triage.Move:
        """Prepare the picture of an entry and say where it goes."""
        started = time.monotonic()
        accepted = triage.triage(entry, messages.PreWork, self.seat, started)
        if isinstance(accepted, triage.Move):
            return accepted
        model = self.models.get(accepted.work.model)
        if model is None:
            raise errors.UnknownModelError(f"model {accepted.work.model!r} is not served any more")
        slot = self._slot(entry.record, min(accepted.until, started + SLOT_PATIENCE))
        try:
            return self._prepare(accepted, model, slot)
        except BaseException:
            # Before it is published the slot is ours alone, so no generation check is at stake.
            self.slab.free(slot)
            raise

    def _prepare(
        self,
        accepted: triage.Accepted[messages.PreWork],
        model: spec.ModelSpec,
        slot: messages.SlotRef,
    ) -> triage.Move:
        work = accepted.work
        shape = (model.input.height, model.input.width, 3)
        out = self.arena.buffer(slot, model.input.nbytes).reshape(shape)
        working = time.monotonic()
        picture = originals.encoded(work, accepted.entry.bulk, self.slab)
        geometry = pre.prepare(
            picture, work.image, model.input, self.max_pixels, out, self.decoding
        )
        self.arena.publish(slot)
        now = time.monotonic()
        infer = messages.InferWork(
            triage.budget(work.route, accepted.until - now),
            model.id,
            model.version,
            work.params,
            geometry,
            messages.ArrayRef(shape, np.dtype(np.uint8).str, slot),
            messages.Timings(pre_ms=(now - working) * 1000.0),
        )
        target = self.keys.infer(model.id)
        op = base.HandOff(accepted.entry, self.seat.holder, target, wire.encode(infer), b"")
        return triage.Move(op, outputs=(slot,))

    def _slot(self, record: str, until: float) -> messages.SlotRef:
        """Take a free slot; a full arena makes the producer wait, which is the back-pressure."""
        pause = threading.Event()
        while (slot := self.arena.allocate(record)) is None:
            if time.monotonic() >= until:
                raise errors.OverloadedError(
                    "no shared memory became free in time; try again later"
                )
            pause.wait(0.001)
        return slot
