"""The book balances, and nothing that must not be is forgiven."""

from hypothesis import given
from hypothesis import strategies as st

from parallax.chaos import ledger
from parallax.chaos.asking import Kind, Verdict
from parallax.chaos.ledger import Cut, Event, Ledger

ENDS = [verdict for verdict in Verdict if verdict is not Verdict.TWICE]


def event(
    number: int,
    verdict: Verdict = Verdict.RIGHT,
    sent: float = 1.0,
    ended: float = 2.0,
    port: int = 5000,
) -> Event:
    return Event(number, Kind.ONE, verdict, "why", sent, ended, opened=0.5, port=port)


def book(*events: Event, cuts: list[Cut] | None = None) -> Ledger:
    made = Ledger(cuts=cuts or [])
    for each in events:
        made.add(each)
    return made


@given(st.lists(st.sampled_from(ENDS), max_size=40), st.integers(0, 5))
def test_every_request_that_was_sent_is_in_one_column(ends: list[Verdict], lost: int) -> None:
    events = [event(number, verdict) for number, verdict in enumerate(ends)]
    found = book(*events).totals(len(ends) + lost)
    columns = (found.right, found.wrong, found.unanswered, found.refused, found.failed)
    assert sum(columns) + found.cut_with_api + found.hung_up == found.sent == len(ends) + lost
    assert found.unanswered >= lost
    assert found.twice == 0


@given(st.permutations([event(n, v) for n, v in enumerate(ENDS)]))
def test_the_order_in_which_requests_end_does_not_matter(events: list[Event]) -> None:
    inordinate = book(*events).totals(9)
    orderly = book(*sorted(events, key=lambda each: each.number)).totals(9)
    assert inordinate.spoilt == orderly.spoilt
    assert (inordinate.right, inordinate.refused) == (orderly.right, orderly.refused)


def test_right_answers_alone_spoil_nothing() -> None:
    assert (
        book(event(1), event(2, Verdict.REFUSED), event(3, Verdict.HUNG_UP)).totals(3).spoilt == []
    )


def test_each_thing_that_must_not_be_is_named() -> None:
    for verdict in (Verdict.WRONG, Verdict.UNANSWERED, Verdict.FAILED, Verdict.CUT, Verdict.TWICE):
        found = book(event(1), event(2, verdict)).totals(2 - (verdict is Verdict.TWICE))
        assert len(found.spoilt) == 1, verdict
        assert len(found.cases) == 1


def test_a_request_of_which_nothing_is_known_is_unanswered() -> None:
    assert book(event(1)).totals(2).spoilt == ["1 unanswered"]


def test_a_second_end_of_a_request_is_a_second_answer() -> None:
    found = book(event(1), event(1)).totals(1)
    assert (found.right, found.twice) == (1, 1)
    assert found.spoilt == ["1 answered twice"]


def test_no_right_answer_at_all_is_not_well() -> None:
    assert book(event(1, Verdict.REFUSED)).totals(1).spoilt == ["no right answer at all"]


def test_a_connection_that_ended_with_its_killed_process_is_forgiven() -> None:
    cut = Cut(1.5, frozenset({5000}))
    found = book(event(1), event(2, Verdict.CUT), cuts=[cut]).totals(2)
    assert (found.cut_with_api, found.unanswered, found.spoilt) == (1, 0, [])


def test_a_connection_of_another_process_or_time_is_not_forgiven() -> None:
    for cut in (
        Cut(1.5, frozenset({5001})),
        Cut(2.5, frozenset({5000})),
        Cut(-9, frozenset({5000})),
    ):
        found = book(event(1), event(2, Verdict.CUT), cuts=[cut]).totals(2)
        assert found.spoilt == ["1 unanswered"]


def test_what_was_cut_before_anybody_knew_why_is_forgiven_later() -> None:
    cuts: list[Cut] = []
    made = book(event(1), event(2, Verdict.CUT), cuts=cuts)
    made.cuts.append(Cut(1.5, frozenset({5000})))
    assert made.totals(2).spoilt == []


def test_a_server_that_was_told_to_stop_may_refuse_what_comes_after() -> None:
    made = book(event(1), event(2, Verdict.CUT, sent=3.0, ended=3.0))
    made.stopping = 2.5
    assert made.totals(2).refused == 1
    made.add(event(3, Verdict.CUT, sent=2.4, ended=3.0))
    assert made.totals(3).spoilt == ["1 unanswered"]


def test_recovery_counts_only_what_was_asked_for_afterwards() -> None:
    made = Ledger()
    mark = made.mark(10.0)
    made.add(event(1, sent=9.9, ended=10.5))
    made.add(event(2, Verdict.REFUSED, sent=10.1, ended=10.2))
    made.add(Event(6, Kind.UNKNOWN, Verdict.RIGHT, "", 10.1, 10.2))  # an api process alone did it
    assert mark.answered is None
    made.add(event(3, sent=10.2, ended=11.5))
    made.add(event(4, sent=10.3, ended=11.0))
    made.add(event(5, sent=12.0, ended=12.5))
    assert mark.answered == 11.0


def test_the_slowest_is_a_right_answer() -> None:
    events = event(1, ended=1.5), event(2, ended=4.0), event(3, Verdict.FAILED, ended=99.0)
    assert book(*events).totals(3).slowest_s == 3.0


def test_reasons_are_bounded() -> None:
    made = Ledger()
    for number in range(1000):
        made.add(Event(number, Kind.ONE, Verdict.FAILED, f"reason {number}", 1.0, 2.0))
    reasons = made.totals(1000).reasons["failed"]
    assert len(reasons) == ledger.MOST_REASONS + 1
    assert sum(reasons.values()) == 1000
    assert len(made.totals(1000).cases) == ledger.MOST_CASES
