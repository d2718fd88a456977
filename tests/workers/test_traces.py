"""Tracebacks as text."""

from parallax.contract import errors
from parallax.workers import traces


def raised(problem: Exception) -> Exception:
    try:
        raise problem
    except (ValueError, RuntimeError) as caught:
        return caught


def test_a_trace_names_the_error_and_the_place() -> None:
    text = traces.of(raised(ValueError("no such shape")))
    assert text.startswith("Traceback")
    assert "in raised" in text
    assert text.endswith("ValueError: no such shape\n")


def test_the_cause_of_an_error_that_was_not_raised_is_told() -> None:
    failure = errors.ModelFailedError("it failed")
    failure.__cause__ = raised(RuntimeError("index out of range"))
    assert "RuntimeError: index out of range" in traces.of(failure)


def test_what_was_never_raised_has_no_trace() -> None:
    assert traces.of(errors.InternalError("lost")) == ""


def test_a_long_trace_keeps_its_end() -> None:
    text = traces.of(raised(ValueError("\N{SNOWMAN}" * 9000 + "the end")))
    assert len(text.encode()) <= traces.MOST_BYTES
    assert text.endswith("the end\n")


def test_half_a_character_is_written_out() -> None:
    assert "\\udcff" in traces.of(raised(ValueError("\udcff")))
