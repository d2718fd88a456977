"""How often and how long a worker tries again."""

import time

import pytest

from parallax.contract import errors
from parallax.workers import patience


class Broker:
    """Fails a number of times, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tries = 0

    def execute(self) -> str:
        self.tries += 1
        if self.tries <= self.failures:
            raise errors.BrokerUnavailableError("away")
        return "answer"

    async def aexecute(self) -> str:
        return self.execute()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for, none of which is made; time passes by them all the same."""
    asked: list[float] = []
    monkeypatch.setattr(time, "sleep", asked.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(asked))
    return asked


def test_an_answer_at_once_needs_no_pause(pauses: list[float]) -> None:
    assert patience.Patience().call(Broker(0).execute) == "answer"
    assert pauses == []


def test_pauses_grow_up_to_the_longest(pauses: list[float]) -> None:
    assert patience.Patience().call(Broker(8).execute) == "answer"
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5, 0.5]


def test_patience_ends_with_the_broker_s_own_error(pauses: list[float]) -> None:
    broker = Broker(10_000)

    with pytest.raises(errors.BrokerUnavailableError):
        patience.Patience(limit=2.0).call(broker.execute)

    assert 2.0 <= sum(pauses) <= 2.5
    assert broker.tries == len(pauses) + 1


def test_other_failures_are_not_tried_again(pauses: list[float]) -> None:
    def fail() -> None:
        raise errors.BadImageError("bad")

    with pytest.raises(errors.BadImageError):
        patience.Patience().call(fail)
    assert pauses == []


async def test_an_awaited_attempt_is_tried_again_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.Patience, "FIRST_PAUSE", 0.0001)
    broker = Broker(3)

    assert await patience.Patience().acall(broker.aexecute) == "answer"
    assert broker.tries == 4


async def test_awaiting_ends_with_the_broker_s_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.Patience, "FIRST_PAUSE", 0.0001)

    with pytest.raises(errors.BrokerUnavailableError):
        await patience.Patience(limit=0.01).acall(Broker(10_000).aexecute)


def test_it_is_told_whether_the_attempt_that_succeeded_was_the_first(pauses: list[float]) -> None:
    first, later = patience.Patience(), patience.Patience()
    first.call(Broker(0).execute)
    later.call(Broker(1).execute)

    assert (first.retried, later.retried) == (False, True)


def test_who_gives_up_does_not_try_again(pauses: list[float]) -> None:
    broker = Broker(10_000)

    with pytest.raises(errors.BrokerUnavailableError):
        patience.Patience(giving_up=lambda: len(pauses) >= 2).call(broker.execute)

    assert broker.tries == 3
