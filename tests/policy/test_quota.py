"""What a key may hold, by tables and properties; time is invented."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from parallax.policy import admission, quota


def test_a_request_grows_to_its_number_of_pictures() -> None:
    gate = admission.Admission(4)
    stay = quota.Stay(gate)

    assert stay.hold(1, 0.0) == 0
    assert stay.hold(4, 0.0) == 0
    assert quota.Stay(gate).hold(1, 0.0) > 0


def test_one_that_finds_no_room_keeps_what_it_had() -> None:
    gate = admission.Admission(4)
    first, second = quota.Stay(gate), quota.Stay(gate)
    first.hold(2, 0.0)
    second.hold(1, 0.0)

    assert second.hold(3, 0.0) > 0
    assert first.hold(3, 0.0) == 0
    assert first.hold(4, 0.0) > 0


def test_places_come_back_once() -> None:
    gate = admission.Admission(2)
    first, second = quota.Stay(gate), quota.Stay(gate)
    first.hold(1, 0.0)
    second.hold(1, 0.0)

    first.end(1.0)
    first.end(2.0)

    assert quota.Stay(gate).hold(1, 2.0) == 0
    assert quota.Stay(gate).hold(1, 2.0) > 0


def test_one_that_never_got_in_has_nothing_to_give_back() -> None:
    gate = admission.Admission(1)
    inside, outside = quota.Stay(gate), quota.Stay(gate)
    inside.hold(1, 0.0)
    assert outside.hold(1, 0.0) > 0

    outside.end(0.0)

    assert quota.Stay(gate).hold(1, 0.0) > 0


@given(seconds=st.floats(0.1, 5.0))
def test_who_is_refused_is_told_how_fast_its_own_are_answered(seconds: float) -> None:
    gate = admission.Admission(2)
    inside = [quota.Stay(gate), quota.Stay(gate)]
    for turn in range(100):
        inside[turn % 2].hold(1, turn * seconds)
        inside[(turn + 1) % 2].end(turn * seconds)
    for stay in inside:
        stay.hold(1, 100 * seconds)

    wait = quota.Stay(gate).hold(1, 100 * seconds)

    assert max(1, seconds / 2) <= wait <= 2 * seconds + 1


class Requests(RuleBasedStateMachine):
    """Requests of one key come, grow and go in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = admission.Admission(8)
        self.held: dict[quota.Stay, int] = {}
        self.now = 0.0

    @rule(count=st.integers(1, 9))
    def comes(self, count: int) -> None:
        stay = quota.Stay(self.gate)
        self.held[stay] = 0
        self._hold(stay, count)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), count=st.integers(1, 9))
    def grows(self, data: st.DataObject, count: int) -> None:
        self._hold(data.draw(st.sampled_from(list(self.held))), count)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        stay = data.draw(st.sampled_from(list(self.held)))
        stay.end(self.now)
        del self.held[stay]

    @rule(seconds=st.floats(0.0, 30.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.gate.in_flight == sum(self.held.values()) <= 8

    def _hold(self, stay: quota.Stay, count: int) -> None:
        held = self.held[stay]
        fits = sum(self.held.values()) - held + max(held, count) <= 8
        assert (stay.hold(count, self.now) == 0) is fits
        if fits:
            self.held[stay] = max(held, count)


TestRequests = Requests.TestCase
