"""How far it is: a line that changes on a terminal, one line per phase anywhere else."""

import sys
from types import TracebackType

from rich import console, status


class Progress:
    """Writes to standard error, inside a ``with`` block; standard output is for the result."""

    def __init__(self) -> None:
        self._out = console.Console(stderr=True, highlight=False)
        self._status = status.Status("", console=self._out)

    def __enter__(self) -> "Progress":
        """Begin to show."""
        if sys.stderr.isatty():
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the changing line away."""
        self._status.stop()

    def now(self, text: str) -> None:
        """Say what is going on; seen on a terminal only."""
        if sys.stderr.isatty():
            self._status.update(text)

    def line(self, text: str) -> None:
        """Say what was found."""
        self._out.print(text, soft_wrap=True, markup=False)
