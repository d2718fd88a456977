"""Everything that can happen to requests, against a model that predicts it to the last reply.

Api processes come and go, their clients too; workers read, move on, die, are robbed and wake up
late with what they once held; the broker loses all its data. The model is a few lists: whatever
broker is beneath, each operation must do to it exactly what it does to them, and when healthy
workers have cleared what is left, every client that still waits has one answer and the broker is
empty.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from parallax.broker import base, housekeeping, memory_store
from parallax.contract.topology import Stage
from tests.broker import worlds

KEYS = worlds.KEYS
PRE, INFER, POST = KEYS.pre, KEYS.infer("model"), KEYS.post
STREAMS = {PRE: Stage.PRE, INFER: Stage.INFER, POST: Stage.POST}
NEXT = {PRE: INFER, INFER: POST, POST: INFER}
"""The last is what no worker does; the broker would not mind."""
LIMIT = 3
TTL = 600_000

streams = st.sampled_from(tuple(STREAMS))
slots = st.integers(0, 1)
picks = st.integers(0, 1 << 16)

Taken = tuple[base.Entry, base.Holder]


@dataclass
class Model:
    """What should be where. A request is alive while it is in one queue or held once."""

    queues: dict[str, list[str]] = field(default_factory=lambda: {each: [] for each in STREAMS})
    held: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Request and consumer, by stream and entry."""
    losses: Counter[str] = field(default_factory=Counter)
    cancelled: set[str] = field(default_factory=set)
    replies: dict[str, list[str]] = field(default_factory=dict)
    """Requests by mailbox, in the order of their replies."""
    dead: int = 0

    def alive(self) -> Counter[str]:
        """How often each request is somewhere."""
        queued = Counter(request for queue in self.queues.values() for request in queue)
        return queued + Counter(request for request, _ in self.held.values())

    def owned(self, stream: str, consumer: str) -> list[str]:
        """Entries of a consumer in order."""
        found = [at for (of, at), (_, by) in self.held.items() if (of, by) == (stream, consumer)]
        return sorted(found, key=memory_store.identity)

    def answer(self, request: str, api: str) -> None:
        """The end of a request."""
        if api in self.replies and request not in self.cancelled:
            self.replies[api].append(request)


class Deliveries(stateful.RuleBasedStateMachine):
    """One world, driven through its client."""

    world: worlds.World

    def __init__(self) -> None:
        super().__init__()
        self.world.flush()
        self.broker = self.world.connect()
        self.model = Model()
        self.waiting: dict[str, tuple[str, str]] = {}
        """Api and record of each request whose client waits."""
        self.apis: dict[str, str] = {}
        """By the api's id, up to where its replies were read."""
        self.started = 0
        self.apis_started = 0
        self.taken: list[Taken] = []
        self.start_api()

    def run(self, op: base.Op[Any]) -> Any:
        return self.broker.execute(op)

    # What api processes do.

    @stateful.rule()
    def start_api(self) -> None:
        if len(self.apis) < 2:
            self.apis_started += 1
            self.open_mailbox(f"api{self.apis_started}")

    @stateful.initialize(count=st.integers(2, 6))
    def submit_first(self, count: int) -> None:
        self.submit(0, count)

    @stateful.rule(pick=picks, count=st.integers(1, 4))
    def submit(self, pick: int, count: int) -> None:
        for number in range(count if self.apis else 0):
            self.started += 1
            api = list(self.apis)[(pick + number) % len(self.apis)]
            self.append(f"r{self.started}", api)

    @stateful.precondition(lambda self: self.waiting)
    @stateful.rule(pick=picks)
    def client_hangs_up(self, pick: int) -> None:
        request = list(self.waiting)[pick % len(self.waiting)]
        _, record = self.waiting.pop(request)
        found = self.run(base.Cancel(record, request, TTL))
        if request in self.model.queues[PRE]:
            assert found is base.Cancelled.REMOVED
            self.model.queues[PRE].remove(request)
        else:
            assert found is base.Cancelled.MARKED
            self.model.cancelled.add(request)

    @stateful.rule(pick=picks, count=st.integers(1, 3), trims=st.booleans())
    def read_replies(self, pick: int, count: int, trims: bool) -> None:
        if not self.apis:
            return
        api = list(self.apis)[pick % len(self.apis)]
        page = self.run(base.ReadReplies(api, self.apis[api], count, 0))
        expected = self.model.replies[api][:count]
        assert [each.request for each in page] == expected
        del self.model.replies[api][:count]
        for each in page:
            self.apis[api] = each.id
            # A client may have hung up after the answer was written; nobody gets two.
            self.waiting.pop(each.request, None)
        if trims and page:
            self.run(base.TrimReplies(api, upto=self.apis[api]))

    @stateful.rule(pick=picks)
    def api_dies(self, pick: int) -> None:
        if self.apis and pick % 4 == 3:
            api = list(self.apis)[pick % len(self.apis)]
            self.run(base.CloseMailbox(api))
            self.forget_mailbox(api)
            self.waiting = {r: each for r, each in self.waiting.items() if each[0] != api}

    # What workers do, the late ones too.

    @stateful.precondition(lambda self: any(self.model.queues.values()))
    @stateful.rule(pick=picks, slot=slots, count=st.integers(1, 3))
    def take(self, pick: int, slot: int, count: int) -> None:
        filled = [stream for stream, queue in self.model.queues.items() if queue]
        self.take_all(filled[pick % len(filled)], slot, count)

    def take_all(self, stream: str, slot: int, count: int) -> list[Taken]:
        holder = base.Holder(STREAMS[stream], f"c{slot}")
        queue = self.model.queues[stream]
        entries = self.run(base.Read((stream,), holder, count, 0))
        assert [each.address.request for each in entries] == queue[:count], (
            "not first in, first out"
        )
        del queue[:count]
        for entry in entries:
            request = entry.address.request
            assert entry.losses == self.model.losses[request]
            self.model.held[stream, entry.id] = (request, holder.consumer)
            record = self.run(base.Fetch(entry.record))
            assert record is not None
            assert (record.address.request, record.bulk) == (request, b"picture of " + _b(request))
            self.taken.append((entry, holder))
        return self.taken[len(self.taken) - len(entries) :]

    @stateful.rule(slot=slots, count=st.integers(1, 3))
    def carry_on(self, slot: int, count: int) -> None:
        """What mostly happens: without it few requests would reach the last stage."""
        for stream in (PRE, INFER):
            for taken in self.take_all(stream, slot, count):
                self.move(taken)

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def hand_off(self, pick: int) -> None:
        self.move(self.chosen(pick))

    def move(self, taken: Taken) -> None:
        entry, holder = taken
        target = NEXT[entry.stream]
        outcome = self.run(base.HandOff(entry, holder, target, b"w", b"tensor"))
        if self.expect(entry, holder, outcome):
            self.model.queues[target].append(entry.address.request)

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def finish(self, pick: int) -> None:
        self.end(self.chosen(pick))

    def end(self, taken: Taken) -> None:
        entry, holder = taken
        outcome = self.run(base.Finish(entry, holder, b"reply", b"json"))
        if self.expect(entry, holder, outcome):
            self.model.answer(entry.address.request, entry.address.api)

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def recompute(self, pick: int) -> None:
        entry, holder = self.chosen(pick)
        if self.expect(entry, holder, self.run(base.Recompute(entry, holder))):
            self.model.losses[entry.address.request] += 1
            self.model.queues[PRE].append(entry.address.request)

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def bury(self, pick: int) -> None:
        entry, holder = self.chosen(pick)
        outcome = self.run(base.Bury(entry, holder, "cause", b"reply"))
        held = self.model.held.pop((entry.stream, entry.id), None)
        if held != (entry.address.request, holder.consumer):
            assert outcome is base.Outcome.NOT_OWNER
            self.put_back(entry, held)
            return
        assert outcome is base.Outcome.DONE
        self.model.dead += 1
        self.model.answer(entry.address.request, entry.address.api)

    # What the supervisor and the sweeper do.

    @stateful.precondition(lambda self: self.model.held)
    @stateful.rule(pick=picks, guilty=st.sampled_from(("all", "none", "first")))
    def die(self, pick: int, guilty: str) -> None:
        busy = sorted({consumer for _, consumer in self.model.held.values()})
        for stream in STREAMS:
            self.release(stream, busy[pick % len(busy)], guilty)

    @stateful.precondition(lambda self: self.model.held)
    @stateful.rule(stream=streams, slot=slots, count=st.integers(1, 3))
    def sweep(self, stream: str, slot: int, count: int) -> None:
        """Take over what nobody renewed, page by page, and give it back."""
        sweeper, cursor = base.Holder(STREAMS[stream], f"s{slot}"), "0-0"
        held = [key for key in self.model.held if key[0] == stream]
        taken = 0
        for _ in range(len(held) + 2):
            page = self.run(base.Claim(stream, sweeper, 0, cursor, count))
            assert page.vanished == 0
            taken, cursor = taken + page.entries, page.cursor
            if cursor == "0-0":
                break
        assert (taken, cursor) == (len(held), "0-0")
        for key in held:
            self.model.held[key] = (self.model.held[key][0], sweeper.consumer)
        self.release(stream, sweeper.consumer, "all")

    @stateful.rule(slot=slots)
    def renew(self, slot: int) -> None:
        for stream, stage in STREAMS.items():
            self.run(base.Renew((stream,), base.Holder(stage, f"c{slot}"), TTL))

    @stateful.rule(odds=st.integers(0, 7))
    def broker_loses_everything(self, odds: int) -> None:
        """Each api finds out by asking, and submits what its clients wait for once more."""
        if odds < 7:
            return
        self.world.flush()
        worlds.next_millisecond(self.world)
        lost, opened = dict(self.waiting), list(self.apis)
        self.model = Model(losses=Counter(), cancelled=set())
        self.waiting, self.apis = {}, {}
        for api in opened:
            self.open_mailbox(api)
        records = tuple(record for _, record in lost.values())
        assert not any(self.run(base.Live(records)))
        for request, (api, _) in lost.items():
            self.append(request, api)

    @stateful.invariant()
    def every_request_is_in_one_place(self) -> None:
        alive = self.model.alive()
        assert set(alive.values()) <= {1}
        found = self.run(housekeeping.Survey(tuple(STREAMS.items())))
        for stream in STREAMS:
            pending = [by for (of, _), (_, by) in self.model.held.items() if of == stream]
            queued = len(self.model.queues[stream])
            assert found[stream].pending == len(pending)
            assert found[stream].consumers == dict(Counter(pending))
            records = alive.total() if stream == PRE else queued + len(pending)
            assert found[stream].length == records
        assert found[KEYS.dead].length == self.model.dead

    @stateful.invariant()
    def whoever_waits_has_a_record_or_an_answer(self) -> None:
        asked = list(self.waiting)
        living = self.run(base.Live(tuple(self.waiting[each][1] for each in asked)))
        alive = self.model.alive()
        answered = {request for replies in self.model.replies.values() for request in replies}
        for request, lives in zip(asked, living, strict=True):
            assert lives is (alive[request] == 1)
            assert lives is not (request in answered)

    def teardown(self) -> None:
        """Healthy workers clear what is left: then all are answered, and nothing remains."""
        for stream in STREAMS:
            for consumer in ("c0", "c1", "s0", "s1"):
                self.release(stream, consumer, "none")
        for stream in STREAMS:
            self.work_off(stream)
        while any(self.model.replies.values()):
            for place in range(len(self.apis)):
                self.read_replies(place, 3, True)
        assert not self.waiting, "a client waits for ever"
        assert [self.world.entries(stream) for stream in STREAMS] == [{}, {}, {}]
        self.broker.close()

    def work_off(self, stream: str) -> None:
        while self.model.queues[stream]:
            for taken in self.take_all(stream, 0, 3):
                (self.end if stream == POST else self.move)(taken)

    # The pieces of the model.

    def append(self, request: str, api: str) -> None:
        to = base.Address(request, 0, api)
        record = self.run(base.Submit(to, b"w", b"picture of " + _b(request)))
        self.waiting[request] = (api, record)
        self.model.queues[PRE].append(request)

    def open_mailbox(self, api: str) -> None:
        self.run(base.Beat(api, TTL))
        self.apis[api] = "0-0"
        self.model.replies[api] = []

    def forget_mailbox(self, api: str) -> None:
        del self.apis[api], self.model.replies[api]

    def chosen(self, pick: int) -> Taken:
        """An entry in the hands of its owner; sometimes any that was ever taken."""
        place, late = divmod(pick, 4)
        owned = [each for each in self.taken if self.owns(*each)]
        among = self.taken if late == 3 or not owned else owned
        return among[place % len(among)]

    def owns(self, entry: base.Entry, holder: base.Holder) -> bool:
        now = self.model.held.get((entry.stream, entry.id))
        return now == (entry.address.request, holder.consumer)

    def expect(self, entry: base.Entry, holder: base.Holder, outcome: base.Outcome) -> bool:
        """Take the entry out of its holder's hands; tell whether the request moves on."""
        request = entry.address.request
        held = self.model.held.pop((entry.stream, entry.id), None)
        if held != (request, holder.consumer):
            assert outcome is base.Outcome.NOT_OWNER
            self.put_back(entry, held)
            return False
        cancelled = request in self.model.cancelled
        assert outcome is (base.Outcome.CANCELLED if cancelled else base.Outcome.DONE)
        return not cancelled

    def put_back(self, entry: base.Entry, held: tuple[str, str] | None) -> None:
        if held is not None:
            self.model.held[entry.stream, entry.id] = held

    def release(self, stream: str, consumer: str, guilty: str) -> None:
        mine = self.model.owned(stream, consumer)
        blamed = {"all": None, "none": frozenset[str](), "first": frozenset(mine[:1])}[guilty]
        holder = base.Holder(STREAMS[stream], consumer)
        released = self.run(base.Release(stream, holder, blamed, LIMIT, "killed"))
        fates: Counter[str] = Counter()
        for entry in mine:
            request, _ = self.model.held.pop((stream, entry))
            fates[self.fate(stream, request, blamed is None or entry in blamed)] += 1
        assert (released.requeued, released.buried, released.vanished) == (
            fates["requeued"],
            fates["buried"],
            fates["vanished"],
        )

    def fate(self, stream: str, request: str, guilty: bool) -> str:
        if request in self.model.cancelled:
            return "vanished"
        self.model.losses[request] += guilty
        if self.model.losses[request] >= LIMIT:
            self.model.dead += 1
            self.model.answer(request, self.waiting[request][0] if request in self.waiting else "")
            return "buried"
        self.model.queues[stream].append(request)
        return "requeued"


def _b(text: str) -> bytes:
    return text.encode()


def drive(world: worlds.World, examples: int) -> None:
    """Run the machine on a world."""

    class InThisWorld(Deliveries):
        pass

    InThisWorld.world = world
    stateful.run_state_machine_as_test(
        InThisWorld,
        settings=hypothesis.settings(
            max_examples=examples,
            stateful_step_count=40,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )


def test_deliveries_on_the_twin() -> None:
    drive(worlds.MemoryWorld(), 80)


@pytest.mark.redis
def test_deliveries_on_a_server(real: worlds.ValkeyWorld) -> None:
    drive(real, 20)
