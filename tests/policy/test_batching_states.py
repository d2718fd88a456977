"""The batcher as the inference loop drives it: models in several versions, runs in flight, devices
that run a batch item by item; and a whole device in invented time, in which nobody waits for ever.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings, stateful
from hypothesis import strategies as st

from parallax.policy import batching

Key = tuple[str, str, int]
KEYS: tuple[Key, ...] = (("a", "1", 320), ("a", "2", 320), ("a", "2", 640), ("b", "1", 320))
LIMITS = {
    "a1": batching.Limits(batching.IN_TURN, in_turn=batching.IN_TURN_SECONDS),
    "a2": batching.Limits(5, max_delay=0.3),
    "b1": batching.Limits(3),
}
keys = st.sampled_from(KEYS)


def limits(key: Hashable) -> batching.Limits:
    assert isinstance(key, tuple)
    return LIMITS[key[0] + key[1]]


class Served(stateful.RuleBasedStateMachine):
    """The model is a list per key, and what was put in and came out, by number."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.batcher: batching.Batcher[int] = batching.Batcher(limits)
        self.queues: dict[Key, list[batching.Waiting[int]]] = {key: [] for key in KEYS}
        self.latency = {key: batching.LatencyModel() for key in KEYS}
        self.caps: dict[Key, tuple[int, float]] = {}
        self.added = 0
        self.left: Counter[int] = Counter()

    @stateful.rule(
        key=keys,
        count=st.integers(1, 10),
        budget=st.one_of(st.floats(-0.1, 3.0), st.floats(0.0, 0.02)),
        suspect=st.sampled_from((False,) * 6 + (True,)),
    )
    def add(self, key: Key, count: int, budget: float, suspect: bool) -> None:
        for _ in range(count):
            self.added += 1
            one = batching.Waiting(key, self.now, self.now + budget, suspect, self.added)
            self.queues[key].append(one)
            self.batcher.add(one)

    @stateful.rule(seconds=st.floats(0.0, 1.0))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @stateful.rule(
        key=keys, size=st.integers(1, 8), seconds=st.floats(0.0, 0.05) | st.floats(0.0005, 0.004)
    )
    def learn(self, key: Key, size: int, seconds: float) -> None:
        self.batcher.learn(key, size, seconds)
        self.latency[key].learn(size, seconds)

    @stateful.rule(key=keys, each=st.floats(0.0005, 0.004))
    def run_small_and_large(self, key: Key, each: float) -> None:
        for size in (1, 8):
            self.learn(key, size, size * each)

    @stateful.rule(key=keys, size=st.integers(0, 5))
    def run_out_of_memory(self, key: Key, size: int) -> None:
        self.batcher.lower_cap(key, size, self.now)
        self.caps[key] = (max(1, size), self.now + batching.Batcher.CAP_SECONDS)

    @stateful.rule(version=st.sampled_from((("a", "1"), ("a", "2"), ("b", "1"))))
    def replace_the_model(self, version: tuple[str, str]) -> None:
        """Only what was learnt of empty queues is forgotten, and no item."""
        of_it = [key for key in KEYS if key[:2] == version]
        assert self.batcher.holds(lambda key: key in of_it) is any(
            self.queues[key] for key in of_it
        )
        self.batcher.forget(lambda key: key in of_it)
        for key in of_it:
            if not self.queues[key]:
                self.latency[key] = batching.LatencyModel()
                self.caps.pop(key, None)

    @stateful.rule(modulus=st.integers(2, 4))
    def cancel(self, modulus: int) -> None:
        gone = self.batcher.remove(lambda each: each.item % modulus == 0)
        self.take_out(gone, [w.item for w in self.all() if w.item % modulus == 0])

    @stateful.rule()
    def expire(self) -> None:
        late = self.batcher.expired(self.now)
        self.take_out(late, [w.item for w in self.all() if w.deadline <= self.now])

    @stateful.rule(
        idle=st.booleans(), draining=st.booleans(), empty=st.booleans(), free=st.integers(1, 4)
    )
    def ask(self, idle: bool, draining: bool, empty: bool, free: int) -> None:
        largest, due = self.batcher.largest(self.now), self.batcher.due(self.now)
        suspects = [key for key, queue in self.queues.items() if queue and queue[0].suspect]
        batch = self.batcher.next(self.now, idle=idle, draining=draining, empty=empty, free=free)
        if batch is None:
            blocked = bool(suspects) and not empty
            assert blocked or due is None or not (draining or (idle and due <= self.now))
            return
        assert isinstance(batch.key, tuple)
        assert bool(suspects) is (batch.reason is batching.Reason.SUSPECT)
        assert len(batch.items) <= largest
        self.check_size(batch, free)
        assert [w.item for w in batch.items] == [
            w.item for w in self.queues[batch.key][: len(batch.items)]
        ], "not in the order of arrival"
        self.take_out(list(batch.items), [w.item for w in batch.items])

    @stateful.invariant()
    def all_that_is_left_is_there_once_and_in_order(self) -> None:
        assert [w.item for w in self.batcher.waiting()] == [
            w.item
            for key in self.batcher._lanes
            for w in self.queues[key]  # type: ignore[index]
        ]
        assert len(self.batcher) == len(self.all()) == self.added - self.left.total()
        assert set(self.left.values()) <= {1}

    def check_size(self, batch: batching.Batch[int], free: int) -> None:
        key = batch.key
        assert isinstance(key, tuple)
        size, allowed = len(batch.items), limits(key).max_size
        cap, until = self.caps.get(key, (allowed, 0.0))
        allowed = min(cap, allowed) if self.now < until else allowed
        assert 1 <= size <= allowed
        if any(w.suspect for w in batch.items):
            assert size == 1
        in_turn = limits(key).in_turn
        if in_turn is not None and batch.reason is not batching.Reason.SUSPECT:
            one = self.latency[key].predict(1)
            assert size == 1 or size * one <= in_turn * (1 + 1e-9)
            assert size <= -(-len(self.queues[key]) // free), "the other free runs get nothing"

    def take_out(self, out: list[batching.Waiting[int]], expected: list[int]) -> None:
        assert [w.item for w in out] == expected
        gone = set(expected)
        self.left.update(expected)
        for key, queue in self.queues.items():
            self.queues[key] = [w for w in queue if w.item not in gone]

    def all(self) -> list[batching.Waiting[int]]:
        # In the order in which the batcher met the keys.
        known = [key for key in self.batcher._lanes if key in self.queues]
        return [w for key in known for w in self.queues[key]]


TestServed = Served.TestCase
TestServed.settings = settings(max_examples=80, stateful_step_count=40)


@dataclass
class Device:
    """The rules of the inference loop around a batcher, in invented time."""

    runs: int
    eager: bool
    batcher: batching.Batcher[int] = field(default_factory=lambda: batching.Batcher(limits))
    now: float = 0.0
    quarantine: bool = False
    running: list[tuple[float, int, batching.Batch[int]]] = field(default_factory=list)
    started: Counter[int] = field(default_factory=Counter)
    expired: Counter[int] = field(default_factory=Counter)
    longest_wait: float = 0.0
    number: Iterator[int] = field(default_factory=itertools.count)

    def step(self, speed: dict[Key, float]) -> float | None:
        """Do what can be done now; say when to look again, None: when something changes."""
        for late in self.batcher.expired(self.now):
            self.expired[late.item] += 1
        while not self.full and self.start(speed):
            pass
        if self.full or not (self.eager or not self.running):
            return None
        due = self.batcher.due(self.now)
        if due is None or (self.batcher.suspect_waits and self.running):
            return None
        return max(self.now + 0.0005, due)

    @property
    def full(self) -> bool:
        return len(self.running) >= (1 if self.quarantine and self.running else self.runs)

    def start(self, speed: dict[Key, float]) -> bool:
        batch = self.batcher.next(
            self.now,
            idle=self.eager or not self.running,
            empty=not self.running,
            free=self.runs - len(self.running),
        )
        if batch is None:
            return False
        self.quarantine = batch.reason is batching.Reason.SUSPECT
        assert not (self.quarantine and self.running), "a suspect beside others"
        for each in batch.items:
            self.started[each.item] += 1
            self.longest_wait = max(self.longest_wait, self.now - each.arrived)
        end = self.now + speed[batch.key] * len(batch.items)  # type: ignore[index]
        heapq.heappush(self.running, (end, next(self.number), batch))
        return True

    def end_first(self) -> None:
        end, _, batch = heapq.heappop(self.running)
        self.now = max(self.now, end)
        self.batcher.learn(
            batch.key, len(batch.items), 0.0 if not batch.items else end - end + 0.01
        )


arrivals = st.lists(
    st.tuples(st.floats(0.0, 0.2), keys, st.integers(1, 6), st.integers(0, 9)), max_size=30
)


@settings(max_examples=150)
@given(
    coming=arrivals,
    runs=st.integers(1, 3),
    eager=st.booleans(),
    speeds=st.lists(st.floats(0.001, 0.2), min_size=4, max_size=4),
    budget=st.sampled_from((0.05, 1.0, 1e6)),
)
def test_a_device_that_sleeps_until_it_is_due_leaves_nobody_behind(
    coming: list[tuple[float, Key, int, int]],
    runs: int,
    eager: bool,
    speeds: list[float],
    budget: float,
) -> None:
    device, speed = Device(runs, eager), dict(zip(KEYS, speeds, strict=True))
    wake: float | None = None
    number, at, longest = itertools.count(), 0.0, 0.0
    for gap, key, count, odds in [*coming, (1e4, KEYS[0], 0, 0)]:
        at += gap
        # All that happens before the next arrival; at the end: until nothing happens any more.
        for _ in range(10_000):
            events = [t for t in (wake, device.running[0][0] if device.running else None) if t]
            if not events or min(events) > at:
                break
            if device.running and device.running[0][0] == min(events):
                device.end_first()
            device.now = max(device.now, min(events))
            wake = device.step(speed)
        else:
            raise AssertionError("the device spins")
        device.now = max(device.now, at)
        for _ in range(count):
            one = batching.Waiting(key, device.now, device.now + budget, odds == 0, next(number))
            device.batcher.add(one)
            longest = max(longest, speed[key])
        wake = device.step(speed)
    total = next(number)
    assert len(device.batcher) == 0, "somebody waits and nobody looks"
    assert device.started + device.expired == Counter(range(total))
    assert budget < 1e6 or not device.expired
