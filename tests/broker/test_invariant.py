"""Random lives of requests on both brokers in lock-step, with workers that die and come back late.

Two things must hold after every step: a live request is exactly one entry in one stage, and nobody
is answered twice. And the twin must agree with the real server in everything that can be seen.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from parallax.broker import base, housekeeping
from parallax.contract.topology import Stage
from tests.broker import worlds

KEYS = worlds.KEYS
INFER = KEYS.infer("model")
STREAMS = {KEYS.pre: Stage.PRE, INFER: Stage.INFER, KEYS.post: Stage.POST}
NEXT = {KEYS.pre: INFER, INFER: KEYS.post}
LIMIT = 3

streams = st.sampled_from(list(STREAMS))
slots = st.integers(0, 1)
picks = st.integers(0, 1 << 16)

Taken = tuple[tuple[base.Entry, base.Entry], base.Holder]


class Lives(stateful.RuleBasedStateMachine):
    """Drives both worlds; ``taken`` also remembers entries that their holder lost long ago."""

    real: worlds.ValkeyWorld

    def __init__(self) -> None:
        super().__init__()
        self.real.flush()
        self.worlds: tuple[worlds.World, worlds.World] = (worlds.MemoryWorld(), self.real)
        self.brokers = tuple(world.connect() for world in self.worlds)
        self.records: dict[str, tuple[str, str]] = {}
        self.ended: set[str] = set()
        self.taken: list[Taken] = []
        self.both(base.Beat(api="api", ttl_ms=600_000))

    def teardown(self) -> None:
        for broker in self.brokers:
            broker.close()

    def both(self, *ops: base.Op[Any]) -> Any:
        """Carry an operation out on both (given twice where the ids differ) and compare."""
        left, right = (
            broker.execute(op) for broker, op in zip(self.brokers, (ops * 2)[:2], strict=True)
        )
        assert left == right
        return left

    @stateful.initialize(count=st.integers(1, 3))
    def submit_first(self, count: int) -> None:
        for _ in range(count):
            self.submit()

    @stateful.rule()
    def submit(self) -> None:
        request = f"r{len(self.records)}"
        op = base.Submit(base.Address(request, 0, "api"), work=b"w", bulk=b"b")
        left, right = (broker.execute(op) for broker in self.brokers)
        self.records[request] = (left, right)

    @stateful.rule(slot=slots, count=st.integers(1, 3))
    def take_and_hand_off(self, slot: int, count: int) -> None:
        """Most of what happens to requests: without it few would reach the last stage."""
        for stream in NEXT:
            self.take(stream, slot, count)
            for back in range(1, min(count, len(self.taken)) + 1):
                self.hand_off(back * 4 - 1)

    @stateful.rule(slot=slots)
    def take_everywhere(self, slot: int) -> None:
        for stream in STREAMS:
            self.take(stream, slot, 2)

    @stateful.rule(slot=slots)
    def die(self, slot: int) -> None:
        for stream in STREAMS:
            self.release(stream, slot, all_guilty=True)

    @stateful.rule(stream=streams, slot=slots, count=st.integers(1, 3))
    def take(self, stream: str, slot: int, count: int) -> None:
        holder = base.Holder(STREAMS[stream], f"c{slot}")
        op = base.Read((stream,), holder, count=count, block_ms=0)
        left, right = (broker.execute(op) for broker in self.brokers)
        for pair in zip(left, right, strict=True):
            assert pair[0].address == pair[1].address
            assert pair[0].losses == pair[1].losses
            self.taken.append((pair, holder))

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def hand_off(self, pick: int) -> None:
        pair, holder = self.chosen(pick)
        target = NEXT.get(pair[0].stream)
        if target is not None:
            done = self.both(*(base.HandOff(one, holder, target, b"w", b"b") for one in pair))
            self.note_end(pair[0], done, {base.Outcome.CANCELLED})

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def finish(self, pick: int) -> None:
        pair, holder = self.chosen(pick)
        done = self.both(*(base.Finish(one, holder, b"ok", b"") for one in pair))
        self.note_end(pair[0], done, {base.Outcome.CANCELLED, base.Outcome.DONE})

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def bury(self, pick: int) -> None:
        pair, holder = self.chosen(pick)
        done = self.both(*(base.Bury(one, holder, "cause", b"no") for one in pair))
        self.note_end(pair[0], done, {base.Outcome.DONE})

    @stateful.precondition(lambda self: self.taken)
    @stateful.rule(pick=picks)
    def recompute(self, pick: int) -> None:
        pair, holder = self.chosen(pick)
        done = self.both(*(base.Recompute(one, holder) for one in pair))
        self.note_end(pair[0], done, {base.Outcome.CANCELLED})

    @stateful.rule(stream=streams, slot=slots, all_guilty=st.booleans())
    def release(self, stream: str, slot: int, all_guilty: bool) -> None:
        guilty = None if all_guilty else frozenset[str]()
        holder = base.Holder(STREAMS[stream], f"c{slot}")
        self.both(base.Release(stream, holder, guilty, limit=LIMIT, cause="killed"))

    @stateful.rule(stream=streams, slot=slots)
    def claim_and_give_back(self, stream: str, slot: int) -> None:
        sweeper = base.Holder(STREAMS[stream], f"c{slot}")
        page = self.both(base.Claim(stream, sweeper, min_idle_ms=0, cursor="0-0"))
        assert page.cursor == "0-0"
        self.both(base.Release(stream, sweeper, frozenset(), limit=LIMIT, cause="killed"))

    @stateful.precondition(lambda self: self.records)
    @stateful.rule(pick=picks)
    def cancel(self, pick: int) -> None:
        request = list(self.records)[-1 - pick % min(len(self.records), 3)]
        found = self.both(
            *(base.Cancel(record, request, 600_000) for record in self.records[request])
        )
        if found is base.Cancelled.REMOVED:
            self.ended.add(request)

    @stateful.rule(stream=streams, slot=slots)
    def renew_and_forget(self, stream: str, slot: int) -> None:
        holder = base.Holder(STREAMS[stream], f"c{slot}")
        self.both(base.Renew((stream,), holder, 600_000))
        self.both(housekeeping.Forget(stream, holder))

    @stateful.invariant()
    def both_brokers_look_the_same(self) -> None:
        left, right = (
            {stream: sorted(_standing(world, stream)) for stream in STREAMS}
            for world in self.worlds
        )
        assert left == right
        for outlet in (KEYS.replies("api"), KEYS.dead):
            left_told, right_told = (_told(world, outlet) for world in self.worlds)
            assert left_told == right_told
        assert self.both(housekeeping.Survey(tuple(STREAMS.items()))) is not None

    @stateful.invariant()
    def a_live_request_is_one_entry_in_one_stage(self) -> None:
        world = self.worlds[1]
        replied = _replied(world)
        buried = {fields[b"q"].decode() for fields in world.entries(KEYS.dead).values()}
        places = Counter(
            request
            for stream in STREAMS
            for request, _, place in _standing(world, stream)
            if place != "kept"
        )
        assert max(replied.values(), default=0) <= 1
        gone = self.ended | set(replied) | buried
        cancelled = {
            request
            for request in self.records
            if self.brokers[1].execute(base.Abandoned((request,)))[0]
        }
        for request in self.records:
            if request in gone:
                assert places[request] == 0
            else:
                assert places[request] == 1 or (request in cancelled and places[request] == 0)

    @stateful.invariant()
    def a_record_is_kept_exactly_as_long_as_its_request_lives(self) -> None:
        world = self.worlds[1]
        records = Counter(request for request, _, _ in _standing(world, KEYS.pre))
        later = {
            request for stream in (INFER, KEYS.post) for request, _, _ in _standing(world, stream)
        }
        assert set(records.values()) <= {1}
        assert later <= set(records)
        kept = {request for request, _, place in _standing(world, KEYS.pre) if place == "kept"}
        assert kept == later

    def chosen(self, pick: int) -> Taken:
        """Mostly one of the last entries taken, which are still held; sometimes any old one."""
        back, any_of_all = divmod(pick, 4)
        reach = len(self.taken) if any_of_all == 0 else min(len(self.taken), 6)
        return self.taken[-1 - back % reach]

    def note_end(self, entry: base.Entry, done: base.Outcome, ends: set[base.Outcome]) -> None:
        if done in ends:
            self.ended.add(entry.address.request)


def _standing(world: worlds.World, stream: str) -> Iterator[tuple[str, int, str]]:
    """Give (request, losses, place) of each entry: queued, held by a consumer, or kept as
    record."""
    group = STREAMS[stream].value
    owners = world.pending(stream, group)
    last = _order(world.last_delivered(stream, group))
    for entry, fields in world.entries(stream).items():
        place = owners[entry][0] if entry in owners else "kept"
        if _order(entry) > last:
            place = "queued"
        yield fields[b"q"].decode(), int(fields.get(b"n", b"0")), place


def _told(world: worlds.World, stream: str) -> list[dict[bytes, bytes]]:
    """Give replies or dead letters, without the ids, in which the brokers differ."""
    return [
        {name: value for name, value in fields.items() if name not in {b"r", b"l"}}
        for fields in world.entries(stream).values()
    ]


def _replied(world: worlds.World) -> Counter[str]:
    replies = world.entries(KEYS.replies("api")).values()
    return Counter(fields[b"q"].decode() for fields in replies)


def _order(entry: str) -> tuple[int, ...]:
    return tuple(map(int, entry.split("-")))


@pytest.mark.redis
def test_random_lives_keep_the_invariant(real: worlds.ValkeyWorld) -> None:
    class OnThisServer(Lives):
        pass

    OnThisServer.real = real
    stateful.run_state_machine_as_test(
        OnThisServer,
        settings=hypothesis.settings(
            max_examples=25,
            stateful_step_count=35,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
