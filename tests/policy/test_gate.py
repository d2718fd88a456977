"""The gate by cases, and in a simulation of a server that gets ten times what it can do."""

import heapq
import math
import random
from dataclasses import dataclass, field

import pytest

from parallax.policy import gate

PATIENT = 30.0


def test_an_unknown_model_is_let_in_up_to_the_limit() -> None:
    doors = gate.Gate(2)

    assert isinstance(doors.enter("m", 2, PATIENT, 0.0), gate.Ticket)
    refused = doors.enter("m", 1, PATIENT, 0.0)

    assert refused == gate.Refusal(1, None)
    assert doors.hopeless(PATIENT, 0.0) == refused
    assert doors.in_flight == 2


def test_a_ticket_is_given_back_once_whatever_the_end() -> None:
    doors = gate.Gate(8)
    for left in gate.Left:
        ticket = doors.enter("m", 3, PATIENT, 0.0)
        assert isinstance(ticket, gate.Ticket)
        doors.leave(ticket, left, 0.1)

    assert doors.in_flight == 0


def test_who_cannot_be_answered_in_time_is_refused_with_the_wait() -> None:
    doors = gate.Gate(100)
    for now in (0.0, 1.0):
        _answered(doors, now, 1.0)
    for _ in range(4):
        assert isinstance(doors.enter("m", 1, PATIENT, 2.0), gate.Ticket)

    _let_one_try(doors, 3.0, 2.0)
    refused = doors.enter("m", 1, 3.0, 2.0)

    assert isinstance(refused, gate.Refusal)
    assert refused.wait == pytest.approx(6.0)
    assert refused.retry_after == 5, "3 s less a margin are waited for: 4.2 s too many"
    assert doors.hopeless(3.0, 2.0) == refused
    assert isinstance(doors.enter("m", 1, 11.0, 2.0), gate.Ticket)


def test_an_idle_server_takes_whoever_comes() -> None:
    doors = gate.Gate(100)
    _answered(doors, 0.0, 10.0)

    assert isinstance(doors.enter("m", 1, 0.1, 10.0), gate.Ticket)


def test_a_request_that_expired_teaches_that_it_takes_longer() -> None:
    doors = gate.Gate(100)
    ticket = doors.enter("m", 1, 2.0, 0.0)
    assert isinstance(ticket, gate.Ticket)
    doors.leave(ticket, gate.Left.EXPIRED, 2.0)
    assert isinstance(doors.enter("m", 1, 2.0, 2.0), gate.Ticket)
    _let_one_try(doors, 2.0, 2.0)

    assert isinstance(doors.enter("m", 1, 2.0, 2.0), gate.Refusal)


def test_the_slow_model_does_not_make_the_quick_one_look_slow() -> None:
    doors = gate.Gate(100)
    _answered(doors, 0.0, 0.01, "quick")
    _answered(doors, 0.0, 2.0, "slow")
    doors.enter("slow", 1, PATIENT, 2.0)

    assert isinstance(doors.enter("quick", 1, 1.0, 2.0), gate.Ticket)
    _let_one_try(doors, 1.0, 2.0, "slow")
    assert isinstance(doors.enter("slow", 1, 1.0, 2.0), gate.Refusal)
    assert doors.hopeless(1.0, 2.0) is None, "it may be for the quick one"


@pytest.mark.parametrize("told", [True, False], ids=["deadline told", "client hangs up"])
@pytest.mark.parametrize("patience", [0.5, 1.0, 5.0])
@pytest.mark.parametrize("rate", [20.0, 150.0, 600.0])
def test_ten_times_too_many_leave_what_the_server_can_do(
    told: bool, patience: float, rate: float
) -> None:
    world = _World(gate.Gate(512), rate, patience, told)
    world.run(seconds=10.0)
    world.forget()
    world.run(seconds=30.0)

    # How long clients wait who do not say so is found out at their expense, now and then.
    assert world.right >= (0.9 if told else 0.8) * 30.0 * rate
    if told:
        assert world.late <= 0.02 * world.right, "who is let in is answered in time"


def test_one_a_second_is_let_in_although_it_would_be_late() -> None:
    """What is known was learnt from others; perhaps this one is quick."""
    doors = gate.Gate(100)
    _answered(doors, 0.0, 10.0)
    doors.enter("m", 1, PATIENT, 10.0)
    found = [doors.enter("m", 1, 0.5, 10.0 + at / 10) for at in range(40)]

    tried = [each for each in found if isinstance(each, gate.Ticket)]
    assert len(tried) == 4
    assert doors.hopeless(0.5, 14.0) is None, "it is that one's turn"
    assert isinstance(doors.enter("m", 1, 0.5, 14.0), gate.Ticket)
    assert doors.hopeless(0.5, 14.0) is not None


def _let_one_try(doors: gate.Gate, patience: float, now: float, model: str = "m") -> None:
    """Let the one in that may find out whether the forecast is right."""
    assert isinstance(doors.enter(model, 1, patience, now), gate.Ticket)


def _answered(doors: gate.Gate, now: float, seconds: float, model: str = "m") -> None:
    ticket = doors.enter(model, 1, PATIENT, now)
    assert isinstance(ticket, gate.Ticket)
    doors.leave(ticket, gate.Left.ANSWERED, now + seconds)


@dataclass
class _World:
    """One server that serves in order, and clients that come at ten times its rate."""

    doors: gate.Gate
    rate: float
    patience: float
    told: bool
    now: float = 0.0
    free: float = 0.0
    right: int = 0
    late: int = 0
    order: int = 0
    ends: list[tuple[float, int, gate.Ticket, gate.Left]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def forget(self) -> None:
        self.right = self.late = 0

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += self.chance.expovariate(10 * self.rate)
            while self.ends and self.ends[0][0] <= self.now:
                at, _, ticket, left = heapq.heappop(self.ends)
                self.doors.leave(ticket, left, at)
                self.right += left is gate.Left.ANSWERED
                self.late += left is not gate.Left.ANSWERED
            self._arrive()

    def _arrive(self) -> None:
        patience = self.patience if self.told else PATIENT
        if self.doors.hopeless(patience, self.now) is not None:
            return
        ticket = self.doors.enter("m", 1, patience, self.now)
        if not isinstance(ticket, gate.Ticket):
            return
        self.order += 1
        starts = max(self.free, self.now)
        gives_up = self.now + self.patience
        ends = starts + self.chance.uniform(0.5, 1.5) / self.rate
        if starts >= gives_up:
            ends = starts  # dropped before the next stage
        self.free = ends
        answered = ends + 3 / self.rate
        left = gate.Left.ANSWERED
        if answered > gives_up:
            answered = gives_up
            left = gate.Left.EXPIRED if self.told else gate.Left.HUNG_UP
        heapq.heappush(self.ends, (answered, self.order, ticket, left))
        assert math.isfinite(answered)


def test_requests_that_are_being_read_count_as_if_they_were_in_flight() -> None:
    doors = gate.Gate(2)
    doors.expect(0.0)
    doors.expect(0.0)

    assert doors.hopeless(PATIENT, 0.5) is not None
    assert doors.hopeless(PATIENT, 0.5, expected=True) is None, "it is one of the two"
    doors.arrived()
    assert doors.hopeless(PATIENT, 0.5) is None


def test_a_body_that_does_not_come_keeps_nobody_out_for_long() -> None:
    doors = gate.Gate(1)
    doors.expect(0.0)

    assert doors.hopeless(PATIENT, gate.EXPECTED_FOR + 0.1) is None


def test_what_was_not_expected_may_arrive() -> None:
    doors = gate.Gate(1)
    doors.arrived()

    assert doors.hopeless(PATIENT, 0.0) is None
