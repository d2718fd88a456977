"""A node in one process: a broker in memory, a slab on a file, and hands to feed both."""

import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from parallax.broker import base, housekeeping, keys, memory
from parallax.contract import messages, spec, topology, wire
from parallax.contract.topology import Stage
from parallax.slab import layout as layouts
from parallax.slab import slab as slabs
from parallax.workers import triage
from tests.support import fakes

KEYS = keys.Keys("test", "n1")
API = "api-1"
MODEL = fakes.model()
TENSORS, OUTPUTS = 0, 1
"""Arenas of the pre worker and of the inference loop."""
SLOTS = 16
MAX_LOSSES = 3
LATER = 60.0


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    code: str
    message: str
    bulk: bytes


def seat(stage: Stage, slot: int = 0, node: str = "n1") -> triage.Seat:
    """Return the seat of a worker slot."""
    name = topology.consumer_name(node, stage, slot)
    return triage.Seat(node, base.Holder(stage, name), MAX_LOSSES)


def png(width: int = 8, height: int = 8, value: int = 200) -> bytes:
    """Return a picture as PNG bytes."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def route(request: str, *, left: float = LATER, origin: str = "n1") -> messages.Route:
    """Return the route of a request with this many seconds left."""
    deadline = time.monotonic() + left
    return messages.Route(request, 0, API, origin, deadline, max(0, int(left * 1000)))


class World:
    """Everything a worker shares with others. ``check_clean`` says what was left behind."""

    def __init__(self, directory: Path, *models: spec.ModelSpec) -> None:
        self.models = {each.id: each for each in models or (MODEL,)}
        arenas = (
            layouts.ArenaLayout(SLOTS, max(each.input.nbytes for each in self.models.values())),
            layouts.ArenaLayout(2, 1 << 18),
        )
        self.layout = layouts.SlabLayout(arenas, 3)
        self.path = directory / "slab"
        self.path.write_bytes(bytes(self.layout.size))
        self.slab = slabs.Slab(str(self.path), self.layout)
        self.memory = memory.Memory(time.monotonic)
        self.fault = fakes.Fault()
        self.broker = memory.connect_blocking(self.memory, KEYS)
        self.streams = KEYS.streams(tuple(self.models))
        self.broker.execute(housekeeping.EnsureGroups(tuple(self.streams.items())))
        self.broker.execute(base.Beat(API, 600_000))
        self.works: dict[str, tuple[messages.PostWork, bytes]] = {}
        """What reached the post stage, by request."""
        self._answers: dict[str, list[Answer]] = {}
        self._read = "0-0"

    def async_broker(self) -> base.AsyncBroker:
        """Return a client of the broker whose line may fail."""
        return fakes.FlakyAsync(memory.connect_async(self.memory, KEYS), self.fault)

    def blocking_broker(self) -> fakes.FlakyBlocking:
        """Return a client of the broker whose line may fail."""
        return fakes.FlakyBlocking(memory.connect_blocking(self.memory, KEYS), self.fault)

    def submit(
        self, request: str, *, image: bytes | None = None, left: float = LATER, model: str = "m"
    ) -> str:
        """Accept a request like an api process; return the id of its record."""
        work = messages.PreWork(
            route(request, left=left), model, messages.DetectionParams(), messages.ImageOptions()
        )
        address = base.Address(request, 0, API)
        return self.broker.execute(
            base.Submit(address, wire.encode(work), png() if image is None else image)
        )

    def submit_tensor(
        self,
        request: str,
        value: int = 0,
        *,
        model: str = "m",
        version: str = "v1",
        left: float = LATER,
    ) -> messages.SlotRef:
        """Accept a request and do the pre stage's part: its tensor waits for the loop."""
        self.submit(request, model=model)
        (entry,) = self.take(Stage.PRE)
        arena, shape = self.slab.arena(TENSORS), self._shape(model)
        slot = arena.allocate(entry.record)
        assert slot is not None, "the arena is full"
        arena.buffer(slot, int(np.prod(shape)))[:] = value
        arena.publish(slot)
        infer = messages.InferWork(
            route(request, left=left),
            model,
            version,
            messages.DetectionParams(),
            messages.Geometry(8, 8, 0.5, 0.5, 0.0, 0.0),
            messages.ArrayRef(shape, "|u1", slot),
            messages.Timings(pre_ms=1.5),
        )
        self.hand_off(entry, Stage.PRE, KEYS.infer(model), wire.encode(infer))
        return slot

    def take(self, stage: Stage, count: int = 1, slot: int = 0) -> list[base.Entry]:
        """Take entries of a stage like one of its workers."""
        streams = tuple(name for name, group in self.streams.items() if group is stage)
        return self.broker.execute(base.Read(streams, seat(stage, slot).holder, count, 0))

    def hand_off(
        self, entry: base.Entry, stage: Stage, target: str, work: bytes, bulk: bytes = b""
    ) -> None:
        """Move a taken entry on."""
        op = base.HandOff(entry, seat(stage).holder, target, work, bulk)
        assert self.broker.execute(op) is base.Outcome.DONE

    def lose(self, stage: Stage, times: int = 1) -> None:
        """Let the entry at the head of a stage lose owners."""
        for _ in range(times):
            (entry,) = self.take(stage, slot=9)
            holder = seat(stage, 9).holder
            self.broker.execute(base.Release(entry.stream, holder, None, 99, "test"))

    def finish_posts(self) -> None:
        """Answer what waits for the post stage and free its slots; keep it in ``works``."""
        for entry in self.take(Stage.POST, 1000):
            work = wire.decode(messages.PostWork, entry.work)
            request = entry.address.request
            assert request not in self.works, f"{request} was handed off twice"
            self.works[request] = (work, entry.bulk)
            reply = messages.Reply(request, 0, "", "", work.timings)
            op = base.Finish(entry, seat(Stage.POST).holder, wire.encode(reply), b"found")
            assert self.broker.execute(op) is base.Outcome.DONE
            for slot in triage.slots_of(work):
                self.slab.free(slot)

    def answers(self) -> dict[str, list[Answer]]:
        """Return all answers so far by request."""
        replies = self.broker.execute(base.ReadReplies(API, self._read, 1000, 0))
        for each in replies:
            self._read = each.id
            code, message = each.code, each.message
            if each.reply:
                reply = wire.decode(messages.Reply, each.reply)
                code, message = reply.code, reply.message
            self._answers.setdefault(each.request, []).append(Answer(code, message, each.bulk))
        return self._answers

    def codes(self) -> dict[str, str]:
        """Return the one answer's code of each request (empty: success)."""
        found = {}
        for request, (answer, *more) in self.answers().items():
            assert not more, f"{request} was answered {1 + len(more)} times"
            found[request] = answer.code
        return found

    def stats(self, stream: str) -> housekeeping.StreamStats:
        """Return what lies in a stream."""
        survey = housekeeping.Survey(tuple(self.streams.items()))
        return self.broker.execute(survey)[stream]

    def dead_letters(self) -> int:
        """Return the number of dead letters."""
        return self.stats(KEYS.dead).length

    def check_clean(self) -> None:
        """Assert that no stream, pending list or slot holds anything."""
        left = {
            name: (stats.length, stats.pending)
            for name in self.streams
            if (stats := self.stats(name)).length or stats.pending
        }
        assert left == {}, "entries (length, pending) were left in streams"
        assert self.slab.held() == [], "slots were left taken"
        rows = [self.slab.board(row).read() for row in range(self.layout.board_rows)]
        assert not any(rows), "a board still shows work"

    def _shape(self, model: str) -> tuple[int, int, int]:
        given = self.models.get(model, MODEL).input
        return given.height, given.width, 3
