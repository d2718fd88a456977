"""Log records that are kept in memory."""

import logging

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
