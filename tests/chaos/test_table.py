"""What is printed tells what was found."""

import msgspec
import pytest

from parallax.chaos import ledger, result, table
from parallax.chaos.asking import Kind, Verdict


def report(*verdicts: Verdict) -> result.Report:
    book = ledger.Ledger(began=100.0)
    for number, verdict in enumerate(verdicts):
        book.add(ledger.Event(number, Kind.ONE, verdict, "because", 101.0, 103.5))
    return result.Report(
        format=result.FORMAT,
        parallax="0",
        started="2026-01-01T00:00:00+00:00",
        seed=5,
        faults=["kill-pre"],
        minutes=1.0,
        clients=2,
        rate=10.0,
        pictures=120,
        requests=book.totals(len(verdicts)),
        suffered=[result.FaultFound("kill-pre", 1.5, "pre 7", 0.25, None)],
        skipped={"shm-full": "not ours"},
        lasting=[result.Grown("broker:0", 30, 1, 5.0, 0.01)],
        run_files=2,
        replies_dropped=3.0,
        leaks=[],
    )


def test_a_sound_run_says_so() -> None:
    found = report(Verdict.RIGHT)
    assert found.failures == []
    assert list(table.lines(found))[-1].startswith("seed 5: nothing lost")
    assert "shm-full: not ours" in "\n".join(table.lines(found))


@pytest.mark.parametrize("change", [{"leaks": ["zombie 7"]}, {"troubles": ["it hangs"]}])
def test_a_leak_or_a_trouble_is_a_failure(change: dict[str, list[str]]) -> None:
    found = msgspec.structs.replace(report(Verdict.RIGHT), **change)
    assert list(table.lines(found))[-1] == f"seed 5: {found.failures[0]}"


def test_what_must_not_be_is_told_with_its_moment() -> None:
    text = "\n".join(table.lines(report(Verdict.RIGHT, Verdict.WRONG)))
    assert "wrong: request 1, sent 1.00 s, ended 3.50 s: because" in text


def test_every_request_is_in_the_table() -> None:
    rows = {row[0]: row[1] for row in table.requests(report(Verdict.RIGHT, Verdict.REFUSED))}
    assert (rows["sent"], rows["answered right"], rows["refused for now"]) == ("2", "1", "1")


def test_a_fault_that_was_not_got_over_never_ended() -> None:
    _, row = table.suffered(report(Verdict.RIGHT))
    assert row == ["kill-pre", "1.5", "0.25", "never", "pre 7"]
