"""Places and tickets under any order of events, with pauses from nothing to weeks between them."""

import hypothesis
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from parallax.policy import admission, gate

pauses = st.one_of(
    st.floats(0.0, 2.0), st.floats(0.0, 120.0), st.sampled_from((0.0, 1e5, 7e5, 4e6))
)
counts = st.integers(1, 12)


class Places(stateful.RuleBasedStateMachine):
    """All pictures of a request get a place, or none; every place that was taken comes back."""

    @stateful.initialize(limit=st.integers(1, 20), window=st.sampled_from((0.5, 10.0, 100.0)))
    def open(self, limit: int, window: float) -> None:
        self.places = admission.Admission(limit, window)
        self.held: list[int] = []
        self.now = 1000.0

    @stateful.rule(seconds=pauses)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @stateful.rule(count=counts)
    def come(self, count: int) -> None:
        fits = sum(self.held) + count <= self.places.limit
        assert self.places.try_acquire(count, self.now) is fits
        self.held += [count] if fits else []

    @stateful.rule(pick=st.integers(0, 99))
    def go(self, pick: int) -> None:
        if self.held:
            self.places.release(self.held.pop(pick % len(self.held)), self.now)

    @stateful.rule(more=st.integers(1, 5))
    def give_back_what_was_not_taken(self, more: int) -> None:
        with pytest.raises(ValueError, match="cannot release"):
            self.places.release(self.places.in_flight + more, self.now)

    @stateful.invariant()
    def places_balance(self) -> None:
        assert 0 <= self.places.in_flight == sum(self.held) <= self.places.limit
        assert self.places.full is (self.places.in_flight == self.places.limit)

    @stateful.invariant()
    def who_wants_more_waits_no_shorter(self) -> None:
        waits = [self.places.retry_after(count, self.now) for count in (1, 2, 5, 20, 10**6)]
        assert waits == sorted(waits)
        assert all(isinstance(wait, int) and 1 <= wait <= 60 for wait in waits)


TestPlaces = Places.TestCase
TestPlaces.settings = hypothesis.settings(max_examples=60, stateful_step_count=40)


class Doors(stateful.RuleBasedStateMachine):
    """Whatever was learnt, the limit holds, an idle server serves, and refusals make sense."""

    @stateful.initialize(limit=st.integers(1, 30))
    def open(self, limit: int) -> None:
        self.gate = gate.Gate(limit)
        self.tickets: list[gate.Ticket] = []
        self.now = 1000.0

    @stateful.rule(seconds=pauses)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @stateful.rule(model=st.sampled_from("abc"), count=counts, patience=st.floats(0.001, 300.0))
    def come(self, model: str, count: int, patience: float) -> None:
        found = self.gate.enter(model, count, patience, self.now)
        if isinstance(found, gate.Ticket):
            self.tickets.append(found)
            return
        self.check(found)
        assert self.tickets or count > self.gate.limit, "an idle server refuses"

    @stateful.rule(count=st.integers(1, 8))
    def many_come_and_give_up(self, count: int) -> None:
        for _ in range(count):
            self.come("a", 1, 300.0)
        self.now += 1.0
        for _ in range(count):
            self.go(-1, gate.Left.HUNG_UP)

    @stateful.rule(pick=st.integers(-1, 99), left=st.sampled_from(gate.Left))
    def go(self, pick: int, left: gate.Left) -> None:
        if self.tickets:
            self.gate.leave(self.tickets.pop(pick % len(self.tickets)), left, self.now)

    @stateful.rule(patience=st.floats(0.0, 300.0))
    def knock(self, patience: float) -> None:
        refusal = self.gate.hopeless(patience, self.now)
        if refusal is not None:
            self.check(refusal)
            assert self.tickets, "an idle server refuses"

    @stateful.invariant()
    def places_balance(self) -> None:
        assert 0 <= self.gate.in_flight == sum(each.count for each in self.tickets)
        assert self.gate.in_flight <= self.gate.limit

    def check(self, refusal: gate.Refusal) -> None:
        assert isinstance(refusal.retry_after, int)
        assert 1 <= refusal.retry_after <= 60
        assert refusal.wait is None or 0.0 < refusal.wait < float("inf")


TestDoors = Doors.TestCase
TestDoors.settings = hypothesis.settings(max_examples=60, stateful_step_count=40)
