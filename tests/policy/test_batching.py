"""Batching under invented time: a state machine for the rules, tables for the single decisions."""

from collections.abc import Hashable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from parallax.policy import batching

LIMITS = {
    "free": batching.Limits(4),
    "single": batching.Limits(1),
    "held": batching.Limits(8, max_delay=0.5),
}
NEVER = 1e9


def waiting(
    key: str = "free",
    item: int = 0,
    *,
    arrived: float = 0.0,
    deadline: float = NEVER,
    suspect: bool = False,
) -> batching.Waiting[int]:
    return batching.Waiting(key, arrived, deadline, suspect, item)


def batcher(
    *items: batching.Waiting[int], limit: int = 4, delay: float = 0.0
) -> batching.Batcher[int]:
    made: batching.Batcher[int] = batching.Batcher(lambda _: batching.Limits(limit, delay))
    for each in items:
        made.add(each)
    return made


def numbers(batch: batching.Batch[int] | None) -> list[int]:
    return [each.item for each in batch.items] if batch else []


class Batching(RuleBasedStateMachine):
    """Anything may happen in any order; the model is a plain list per key."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.next_item = 0
        self.batcher: batching.Batcher[int] = batching.Batcher(lambda key: LIMITS[str(key)])
        self.queues: dict[str, list[batching.Waiting[int]]] = {key: [] for key in LIMITS}
        self.latency = {key: batching.LatencyModel() for key in LIMITS}
        self.caps: dict[str, tuple[int, float]] = {}

    @rule(
        key=st.sampled_from(sorted(LIMITS)),
        count=st.integers(1, 6),
        budget=st.floats(0.001, 5.0),
        suspect=st.sampled_from([False, False, False, True]),
    )
    def add(self, key: str, count: int, budget: float, suspect: bool) -> None:
        for _ in range(count):
            self.next_item += 1
            one = batching.Waiting(key, self.now, self.now + budget, suspect, self.next_item)
            self.queues[key].append(one)
            self.batcher.add(one)

    @rule(seconds=st.floats(0.0, 2.0))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        key=st.sampled_from(sorted(LIMITS)), size=st.integers(1, 8), seconds=st.floats(0.001, 1.0)
    )
    def learn(self, key: str, size: int, seconds: float) -> None:
        self.batcher.learn(key, size, seconds)
        self.latency[key].learn(size, seconds)

    @rule(key=st.sampled_from(sorted(LIMITS)), size=st.integers(0, 9))
    def run_out_of_memory(self, key: str, size: int) -> None:
        self.batcher.lower_cap(key, size, self.now)
        self.caps[key] = (max(1, size), self.now + batching.Batcher.CAP_SECONDS)

    @rule()
    def wait_for_the_cap_to_end(self) -> None:
        self.now += batching.Batcher.CAP_SECONDS

    @rule(modulus=st.integers(2, 5))
    def remove(self, modulus: int) -> None:
        removed = self.batcher.remove(lambda each: each.item % modulus == 0)
        self._forget(removed, [w for w in self._all() if w.item % modulus == 0])

    @rule()
    def expire(self) -> None:
        self._forget(self.batcher.expired(self.now), [w for w in self._all() if self._late(w)])

    @rule()
    def device_idles(self) -> None:
        batch = self.batcher.next(self.now, idle=True)
        if batch is None:
            assert all(self._held_back(key) for key, queue in self.queues.items() if queue)
            return
        passed_over = [key for key, queue in self.queues.items() if queue and key != "held"]
        urgency = self._urgency(str(batch.key))
        if batch.reason is not batching.Reason.SUSPECT:
            assert all(self._urgency(key) <= urgency + 1e-9 for key in passed_over)
        self._take(batch)

    @rule()
    def device_is_busy(self) -> None:
        batch = self.batcher.next(self.now, idle=False)
        if batch is None:
            return
        if batch.reason is batching.Reason.TURN:
            others = [key for key in self.queues if key != batch.key]
            assert any(len(self.queues[key]) >= self._limit(key) for key in others)
            assert self._urgency(str(batch.key)) >= max(
                self._urgency(key) for key in others if len(self.queues[key]) >= self._limit(key)
            )
        else:
            assert batch.reason in (batching.Reason.FULL, batching.Reason.SUSPECT)
        self._take(batch)

    @rule(idle=st.booleans(), draining=st.booleans())
    def device_has_a_run_in_flight(self, idle: bool, draining: bool) -> None:
        suspected = any(queue[0].suspect for queue in self.queues.values() if queue)
        assert self.batcher.suspect_waits is suspected
        batch = self.batcher.next(self.now, idle=idle, draining=draining, empty=False)
        if batch is None:
            return
        assert not suspected, "it would die with the suspect"
        self._take(batch)

    @precondition(lambda self: any(self.queues.values()))
    @rule(idle=st.booleans())
    def drain(self, idle: bool) -> None:
        batch = self.batcher.next(self.now, idle=idle, draining=True)
        assert batch is not None
        self._take(batch)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert len(self.batcher) == len(self._all())

    @invariant()
    def the_batcher_asks_to_be_woken_exactly_while_something_waits(self) -> None:
        assert (self.batcher.due(self.now) is not None) is bool(self._all())

    def teardown(self) -> None:
        while batch := self.batcher.next(self.now, idle=True, draining=True):
            self._take(batch)
        assert not self._all()

    def _take(self, batch: batching.Batch[int]) -> None:
        key = str(batch.key)
        queue, size = self.queues[key], len(batch.items)
        assert list(batch.items) == queue[:size], "not the oldest of one key, in order"
        assert {each.key for each in batch.items} == {batch.key}
        assert 1 <= size <= self._limit(key)
        self._check_reason(batch, queue)
        self._check_deadline(batch)
        del queue[:size]

    def _check_reason(self, batch: batching.Batch[int], queue: list[batching.Waiting[int]]) -> None:
        size, limit = len(batch.items), self._limit(str(batch.key))
        if any(each.suspect for each in batch.items):
            assert size == 1
            assert batch.reason is batching.Reason.SUSPECT
        if batch.reason is batching.Reason.FULL:
            assert size == limit
        if batch.reason in (batching.Reason.IDLE, batching.Reason.DELAY):
            assert size == min(limit, _leading_innocents(queue)), "room was left"

    def _check_deadline(self, batch: batching.Batch[int]) -> None:
        deadlines = [each.deadline for each in batch.items]
        model = self.latency[str(batch.key)]
        met = [
            self.now + model.predict(size) <= min(deadlines[:size])
            for size in range(1, len(deadlines) + 1)
        ]
        assert met[-1] or not any(met), "a smaller batch would have met its deadline"

    def _limit(self, key: str) -> int:
        cap, until = self.caps.get(key, (LIMITS[key].max_size, 0.0))
        return min(cap, LIMITS[key].max_size) if self.now < until else LIMITS[key].max_size

    def _held_back(self, key: str) -> bool:
        oldest = self.queues[key][0]
        return self.now < oldest.arrived + LIMITS[key].max_delay

    def _urgency(self, key: str) -> float:
        limit = self._limit(key)
        fill = min(len(self.queues[key]), limit) / limit
        return (self.now - self.queues[key][0].arrived) * (1 + fill)

    def _late(self, each: batching.Waiting[int]) -> bool:
        return each.deadline <= self.now

    def _all(self) -> list[batching.Waiting[int]]:
        return [each for queue in self.queues.values() for each in queue]

    def _forget(
        self, removed: list[batching.Waiting[int]], expected: list[batching.Waiting[int]]
    ) -> None:
        assert sorted(each.item for each in removed) == sorted(each.item for each in expected)
        for each in expected:
            self.queues[str(each.key)].remove(each)


def _leading_innocents(queue: list[batching.Waiting[int]]) -> int:
    return next((at for at, each in enumerate(queue) if each.suspect), len(queue))


TestBatching = Batching.TestCase
TestBatching.settings = settings(max_examples=80, stateful_step_count=40)


def test_an_idle_device_starts_at_once_with_what_is_there() -> None:
    batch = batcher(waiting(item=1)).next(0.0, idle=True)

    assert batch is not None
    assert (numbers(batch), batch.reason) == ([1], batching.Reason.IDLE)


def test_a_busy_device_lets_the_batch_grow_until_it_is_full() -> None:
    made = batcher(*(waiting(item=i) for i in range(3)))
    assert made.next(0.0, idle=False) is None

    made.add(waiting(item=3))
    batch = made.next(0.0, idle=False)

    assert batch is not None
    assert (numbers(batch), batch.reason) == ([0, 1, 2, 3], batching.Reason.FULL)


def test_a_batch_over_the_limit_leaves_the_rest_waiting_in_order() -> None:
    made = batcher(*(waiting(item=i) for i in range(6)))

    assert numbers(made.next(0.0, idle=False)) == [0, 1, 2, 3]
    assert made.next(0.0, idle=False) is None
    assert numbers(made.next(0.0, idle=True)) == [4, 5]


def test_a_delay_holds_a_small_batch_back_until_it_is_due() -> None:
    made = batcher(waiting(item=1, arrived=1.0), delay=0.5)

    assert made.next(1.4, idle=True) is None
    assert made.due(1.4) == pytest.approx(1.5)
    batch = made.next(1.5, idle=True)

    assert batch is not None
    assert batch.reason is batching.Reason.DELAY


def test_a_full_batch_does_not_wait_for_the_delay() -> None:
    made = batcher(*(waiting(item=i) for i in range(4)), delay=0.5)

    assert len(numbers(made.next(0.0, idle=True))) == 4


def test_a_delay_ends_early_enough_for_the_earliest_deadline() -> None:
    made = batcher(waiting(item=1, deadline=0.3), delay=0.5)
    made.learn("free", 1, 0.1)

    assert made.due(0.0) == pytest.approx(0.2)
    assert made.next(0.19, idle=True) is None
    assert numbers(made.next(0.21, idle=True)) == [1]


def test_a_batch_stops_short_of_missing_a_deadline_that_a_smaller_one_meets() -> None:
    made = batcher(*(waiting(item=i, deadline=0.35) for i in range(4)))
    for size in (1, 2, 4):
        made.learn("free", size, 0.1 * size)

    batch = made.next(0.0, idle=True)

    assert batch is not None
    assert (numbers(batch), batch.reason) == ([0, 1, 2], batching.Reason.DEADLINE)


def test_the_tightest_deadline_counts_wherever_it_stands() -> None:
    made = batcher(waiting(item=0, deadline=0.25), *(waiting(item=i) for i in range(1, 4)))
    for size in (1, 2, 4):
        made.learn("free", size, 0.1 * size)

    assert numbers(made.next(0.0, idle=True)) == [0, 1]


def test_a_delay_ends_early_enough_for_a_deadline_behind_the_oldest() -> None:
    made = batcher(waiting(item=1), waiting(item=2, deadline=0.3), delay=0.5)

    assert made.due(0.0) == pytest.approx(0.3)


def test_a_deadline_that_no_batch_meets_does_not_shrink_the_batch() -> None:
    made = batcher(*(waiting(item=i, deadline=0.05) for i in range(3)))
    made.learn("free", 1, 0.1)

    assert numbers(made.next(0.0, idle=True)) == [0, 1, 2]


def test_a_tight_deadline_behind_others_is_left_for_the_next_batch() -> None:
    made = batcher(waiting(item=1), waiting(item=2, deadline=0.15))
    made.learn("free", 1, 0.1)
    made.learn("free", 2, 0.2)

    assert numbers(made.next(0.0, idle=True)) == [1]


def test_suspects_run_alone_wherever_they_stand() -> None:
    made = batcher(
        waiting(item=1),
        waiting(item=2, suspect=True),
        waiting(item=3, suspect=True),
        waiting(item=4),
        waiting(item=5),
    )

    order = [numbers(made.next(0.0, idle=True)) for _ in range(4)]

    assert order == [[1], [2], [3], [4, 5]]


def test_a_suspect_waits_for_an_empty_device_and_everything_else_waits_for_it() -> None:
    full = (waiting("other", item) for item in range(4))
    made = batcher(*full, waiting(item=9, suspect=True))

    assert made.next(0.0, idle=True, empty=False) is None
    first, second = made.next(0.0, idle=True), made.next(0.0, idle=True)

    assert first is not None
    assert (numbers(first), first.reason) == ([9], batching.Reason.SUSPECT)
    assert numbers(second) == [0, 1, 2, 3]


def test_a_lowered_cap_holds_for_a_while_and_then_ends() -> None:
    made = batcher(*(waiting(item=i) for i in range(8)))
    made.lower_cap("free", 2, now=10.0)

    assert len(numbers(made.next(10.0, idle=False))) == 2
    assert len(numbers(made.next(10.0 + made.CAP_SECONDS, idle=False))) == 4


def test_a_cap_of_one_key_does_not_touch_another() -> None:
    made = batcher(*(waiting("a", i) for i in range(4)), *(waiting("b", i) for i in range(4)))
    made.lower_cap("a", 1, now=0.0)

    sizes = {batch.key: len(batch.items) for batch in iter(lambda: made.next(1.0, idle=True), None)}

    assert sizes == {"a": 1, "b": 4}


def test_draining_takes_everything_also_from_a_busy_device() -> None:
    made = batcher(waiting("a", 1), waiting("b", 2), delay=60.0)

    batches = list(iter(lambda: made.next(0.0, idle=False, draining=True), None))

    assert sorted(number for batch in batches for number in numbers(batch)) == [1, 2]
    assert {batch.reason for batch in batches} == {batching.Reason.DRAIN}


def test_expired_items_come_out_once_and_only_they() -> None:
    made = batcher(*(waiting(item=i, deadline=float(i)) for i in range(1, 5)))

    assert [each.item for each in made.expired(2.0)] == [1, 2]
    assert made.expired(2.0) == []
    assert numbers(made.next(2.0, idle=True)) == [3, 4]


def test_removal_tells_equal_items_apart() -> None:
    made = batcher(waiting(item=7), waiting(item=7))
    seen: list[int] = []

    def first_only(_: batching.Waiting[int]) -> bool:
        seen.append(1)
        return len(seen) == 1

    assert len(made.remove(first_only)) == 1
    assert len(made) == 1


@given(rate=st.integers(8, 32))
def test_a_rare_key_does_not_starve_beside_a_flood(rate: int) -> None:
    """A device's hands hold a bounded number of items; the flood always fills them up again."""
    made = batcher(waiting("rare"), limit=8)
    now, served = 0.0, ""
    while served != "rare":
        for _ in range(rate + 1 - len(made)):
            made.add(waiting("flood", arrived=now))
        batch = made.next(now, idle=True)
        assert batch is not None
        served = str(batch.key)
        now += 0.1
        assert now <= 0.1 * (3 + 2 * rate / 8), "the rare key starved"


@given(
    queues=st.dictionaries(
        st.sampled_from("abcdef"), st.lists(st.floats(0.0, 10.0), min_size=1), min_size=2
    )
)
def test_nobody_is_passed_over_who_waited_twice_as_long(queues: dict[str, list[float]]) -> None:
    made = batcher(limit=4)
    for key, arrivals in queues.items():
        for arrived in sorted(arrivals):
            made.add(waiting(key, arrived=arrived))

    while batch := made.next(10.0, idle=True):
        chosen = 10.0 - batch.items[0].arrived
        left = made.remove(lambda _: True)
        assert all(10.0 - each.arrived <= 2 * chosen + 1e-9 for each in left)
        for each in left:
            made.add(each)


def test_of_two_keys_that_waited_alike_the_fuller_goes_first() -> None:
    made = batcher(waiting("a", 1), waiting("b", 2), waiting("b", 3))

    batch = made.next(1.0, idle=True)

    assert batch is not None
    assert batch.key == "b"


def test_limits_are_asked_for_once_per_key() -> None:
    asked: list[Hashable] = []

    def limits(key: Hashable) -> batching.Limits:
        asked.append(key)
        return batching.Limits(2)

    made: batching.Batcher[int] = batching.Batcher(limits)
    for key in ("a", "b", "a"):
        made.add(waiting(key))

    assert asked == ["a", "b"]


@given(
    base=st.floats(0.0, 1.0),
    per_item=st.floats(0.0, 0.2),
    sizes=st.lists(st.integers(1, 64), min_size=2, max_size=40).filter(lambda s: len(set(s)) > 1),
    asked=st.integers(1, 64),
)
def test_latency_recovers_a_line_from_samples_without_noise(
    base: float, per_item: float, sizes: list[int], asked: int
) -> None:
    model = batching.LatencyModel()
    for size in sizes:
        model.learn(size, base + per_item * size)

    assert model.predict(asked) == pytest.approx(base + per_item * asked, rel=1e-4, abs=1e-5)


@given(
    samples=st.lists(st.tuples(st.integers(1, 64), st.floats(0.0, 10.0)), max_size=60),
)
def test_latency_is_never_negative_and_never_falls_with_the_size(
    samples: list[tuple[int, float]],
) -> None:
    model = batching.LatencyModel()
    for size, seconds in samples:
        model.learn(size, seconds)

    predicted = [model.predict(size) for size in range(1, 65)]

    assert min(predicted) >= 0.0
    assert all(low <= high for low, high in pairwise(predicted))


def test_latency_of_an_unknown_model_is_zero() -> None:
    assert batching.LatencyModel().predict(8) == 0.0


def test_latency_known_at_one_size_only_is_the_mean() -> None:
    model = batching.LatencyModel()
    for seconds in (0.1, 0.1, 0.1):
        model.learn(4, seconds)

    assert model.predict(1) == pytest.approx(0.1)
    assert model.predict(8) == pytest.approx(0.1)


def test_latency_follows_a_device_that_became_slower() -> None:
    model = batching.LatencyModel()
    for size in (1, 2, 4) * 30:
        model.learn(size, 0.1)
    for size in (1, 2, 4) * 60:
        model.learn(size, 0.4)

    assert model.predict(2) == pytest.approx(0.4, rel=0.05)


def test_a_rare_key_is_not_starved_by_a_device_that_is_always_busy() -> None:
    batcher = batching.Batcher[int](lambda key: batching.Limits(4))
    batcher.add(batching.Waiting("rare", 0.0, 1e9, False, -1))
    now, served = 0.0, []
    for _ in range(50):
        now += 1.0
        for item in range(4):
            batcher.add(batching.Waiting("common", now, 1e9, False, item))
        batch = batcher.next(now + 0.5, idle=False)
        assert batch is not None
        served.append(batch.key)
    assert "rare" in served[:10]


def test_all_that_waits_can_be_looked_at_and_stays() -> None:
    made = batcher(waiting(item=1), waiting("single", 2), waiting(item=3))

    assert sorted(each.item for each in made.waiting()) == [1, 2, 3]
    assert len(made) == 3


# --- devices that run a batch item by item --------------------------------------------------------


def in_turn(count: int, seconds: float | None) -> batching.Batcher[int]:
    """Return a batcher of a device that takes so long for an item, and has learnt it."""
    limits = batching.Limits(batching.IN_TURN, in_turn=batching.IN_TURN_SECONDS)
    made: batching.Batcher[int] = batching.Batcher(lambda _: limits)
    if seconds is not None:
        made.learn("free", 1, seconds)
    for number in range(count):
        made.add(waiting(item=number))
    return made


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        (None, 1),
        (batching.IN_TURN_SECONDS * 2, 1),
        (batching.IN_TURN_SECONDS / 3, 3),
        (batching.IN_TURN_SECONDS / 1000, batching.IN_TURN),
    ],
)
def test_items_that_are_run_in_turn_take_a_moment_together(
    seconds: float | None, size: int
) -> None:
    made = in_turn(20, seconds)

    assert made.largest(0.0) == size
    assert numbers(made.next(0.0, idle=True)) == list(range(size))


def test_items_that_are_run_in_turn_are_shared_among_free_runs() -> None:
    made = in_turn(5, 0.0001)

    first, second = (made.next(0.0, idle=True, free=free) for free in (2, 1))

    assert (numbers(first), numbers(second)) == ([0, 1, 2], [3, 4])
    assert first is not None
    assert first.reason is batching.Reason.IDLE


def test_a_device_that_gains_by_batches_shares_nothing() -> None:
    made = batcher(*(waiting(item=number) for number in range(4)))

    assert numbers(made.next(0.0, idle=True, free=2)) == [0, 1, 2, 3]
