"""Log records that are kept in memory, and the lines that others become."""

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.observe import logs


def test_what_is_logged_is_kept_up_to_a_number() -> None:
    ring = logs.keep(2)
    try:
        for number in range(3):
            logging.getLogger("some.where").warning("number %d", number)
    finally:
        logging.getLogger().removeHandler(ring)

    assert [line.message for line in ring.lines()] == ["number 1", "number 2"]
    assert {(line.logger, line.module) for line in ring.lines()} == {("some.where", "test_logs")}


def test_a_long_message_is_cut() -> None:
    ring = logs.Ring(1)

    ring.emit(logging.LogRecord("a", 20, "b.py", 1, "x" * 5000, None, None))

    assert len(ring.lines()[0].message) == 2000


LINE = re.compile(r"[0-9:]{8}\.[0-9]{3} [a-z]+ +pre:3 +")
FORGED = "14:03:22.123 error   pre:3     all is lost"


@pytest.fixture
def formatter() -> logging.Formatter:
    """What writes the lines of a process."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    logs.configure("pre:3", "warning")
    made = root.handlers[0].formatter
    root.handlers[:] = before
    root.setLevel(level)
    assert made is not None
    return made


def record(message: object, problem: BaseException | None = None) -> logging.LogRecord:
    about = (type(problem), problem, problem.__traceback__) if problem else None
    return logging.LogRecord("a", logging.ERROR, "b.py", 1, "said: %s", (message,), about)


def test_a_message_cannot_begin_a_line_of_its_own(formatter: logging.Formatter) -> None:
    for end in ("\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028"):
        lines = formatter.format(record(f"no{end}{FORGED}")).splitlines()
        assert [bool(LINE.match(line)) for line in lines] == [True] + [False] * (len(lines) - 1)


def test_an_exception_cannot_begin_a_line_of_its_own(formatter: logging.Formatter) -> None:
    text = formatter.format(record("x", ValueError(f"no\n{FORGED}\x1b[2J")))

    assert "ValueError: no" in text
    assert [line for line in text.splitlines() if LINE.match(line)] == text.splitlines()[:1]
    assert "\x1b" not in text


def test_what_a_terminal_would_carry_out_is_shown_instead(formatter: logging.Formatter) -> None:
    line = formatter.format(record("\x1b[2J\x07\x9b31m\u202e\ud800 b\u00fccher \u6f22"))

    assert line.endswith(r"said: \x1b[2J\x07\x9b31m\u202e\ud800 " + "b\u00fccher \u6f22")


@given(st.text(st.characters()))
def test_whatever_is_logged_is_printable(text: str) -> None:
    line = logs._Format("pre:3").format(record(text))

    assert line.replace("\n", "").isprintable()
    assert line.encode()
