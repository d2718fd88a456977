"""The post stage as a consumer's handler: network outputs in, reply out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parallax.broker import base
from parallax.contract import errors, messages, spec, wire
from parallax.slab import slab as slabs
from parallax.stages.post import respond
from parallax.workers import originals, patience, triage


@dataclass(frozen=True, slots=True)
class PostHandler:
    """Turns post entries into replies."""

    seat: triage.Seat
    models: Mapping[tuple[str, str], spec.ModelSpec]
    """By id and version."""
    slab: slabs.Slab
    broker: base.BlockingBroker
    max_pixels: int

    def __call__(self, entry: base.Entry) -> triage.Move:
        """Build the answer of an entry."""
        started = time.monotonic()
        accepted = triage.triage(entry, messages.PostWork, self.seat, started)
        if isinstance(accepted, triage.Move):
            return accepted
        work = accepted.work
        inputs = triage.slots_of(work)
        model = self.models.get((work.model, work.version))
        if model is None:
            # The model was replaced too long ago: its outputs mean nothing now.
            return triage.Move(base.Recompute(entry, self.seat.holder), inputs)
        try:
            fragment = self._respond(work, entry, model)
        except errors.ParallaxError as problem:
            return triage.fail(entry, self.seat, problem, inputs)
        post_ms = (time.monotonic() - started) * 1000.0
        spent = work.timings
        timings = messages.Timings(spent.pre_ms, spent.infer_ms, post_ms, spent.batch)
        reply = messages.Reply(entry.address.request, entry.address.item, "", "", timings)
        op = base.Finish(entry, self.seat.holder, wire.encode(reply), fragment)
        return triage.Move(op, inputs)

    def _respond(self, work: messages.PostWork, entry: base.Entry, model: spec.ModelSpec) -> bytes:
        outputs = self._outputs(work, entry.bulk)
        original = None if work.params.drawing is None else self._original(entry.record, model)
        try:
            return respond.respond(outputs, model, work.params, work.geometry, original)
        finally:
            for slot in triage.slots_of(work):
                # Read again after use: had the slot been reused meanwhile, the answer, or what was
                # wrong with the outputs, would be another's.
                self.slab.check(slot)

    def _original(self, record: str, model: spec.ModelSpec) -> respond.Original:
        """Return the picture of a request, by its record."""
        fetch = base.Fetch(record)
        found = patience.Patience().call(lambda: self.broker.execute(fetch))
        if found is None:
            raise errors.TensorLostError("the request's record is gone")
        asked = wire.decode(messages.PreWork, found.work)
        picture = originals.encoded(asked, found.bulk, self.slab)
        turned = asked.image.auto_orient and model.input.auto_orient
        return respond.Original(picture, turned, self.max_pixels)

    def _outputs(self, work: messages.PostWork, bulk: bytes) -> list[NDArray[Any]]:
        arrays: list[NDArray[Any]] = []
        offset = 0
        for ref in work.outputs:
            if ref.slot is not None:
                arrays.append(self.slab.array(ref))
                continue
            count = int(np.prod(ref.shape, dtype=np.int64))
            try:
                flat = np.frombuffer(bulk, ref.dtype, count, offset)
            except ValueError as problem:
                raise errors.MalformedEntryError(f"entry has too few bytes: {problem}") from problem
            arrays.append(flat.reshape(ref.shape))
            offset += flat.nbytes
        return arrays
