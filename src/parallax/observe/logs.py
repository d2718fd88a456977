"""One line per event on standard error, the same in every process of the tree."""

import collections
import datetime
import logging
import sys
from dataclasses import dataclass

from parallax.observe import printable

_LONGEST_MESSAGE = 2000
_INDENTED = "\n    "


@dataclass(frozen=True, slots=True)
class Line:
    """One log record, for those who cannot see standard error."""

    at: datetime.datetime
    """In UTC."""
    severity: int
    """Of the ``logging`` module."""
    logger: str
    message: str
    module: str
    line: int


class Ring(logging.Handler):
    """Keeps the last records of this process in memory."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._lines: collections.deque[Line] = collections.deque(maxlen=size)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        message = record.getMessage()[:_LONGEST_MESSAGE]
        self._lines.append(
            Line(at, record.levelno, record.name, message, record.module, record.lineno)
        )

    def lines(self) -> list[Line]:
        """Return what is kept, the oldest first."""
        return list(self._lines)


def keep(size: int) -> Ring:
    """Keep the log of this process in memory, beside what ``configure`` does with it."""
    ring = Ring(size)
    logging.getLogger().addHandler(ring)
    return ring


class _Format(logging.Formatter):
    """``14:03:22.123 warning pre:3  message``; what has more lines goes on indented.

    A message may hold what a client wrote. So only a record begins at the left, and nothing but
    line ends reaches a terminal that would be carried out there.
    """

    def __init__(self, process: str) -> None:
        super().__init__(fmt="%(asctime)s.%(msecs)03d %(lowered)s %(process_name)s  %(message)s")
        self.datefmt = "%H:%M:%S"
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        record.lowered = f"{record.levelname.lower():7}"
        record.process_name = f"{self._process:10}"
        return _INDENTED.join(printable.shown(line) for line in super().format(record).split("\n"))


def configure(process: str, level: str) -> None:
    """Send this process's log to standard error from ``level`` on; ``process`` names the role and
    slot."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Format(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Hypercorn announces each socket and the asyncio of a debug build each slow callback.
    logging.getLogger("hypercorn.error").setLevel("WARNING")
    # A broken picture or body is its client's problem and answered as such; these would log it as
    # an error or a warning.
    for quiet in ("PIL", "python_multipart"):
        logging.getLogger(quiet).setLevel("CRITICAL")
