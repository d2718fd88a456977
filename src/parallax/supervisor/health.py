"""Can the pipeline answer? Pure: the process table in, the truth for ``/readiness`` out."""

from collections.abc import Sequence
from dataclasses import dataclass

from parallax.contract import lifeline
from parallax.contract.topology import Role

NEEDED = (Role.INFER, Role.PRE, Role.POST)
"""Roles without a live process of which no request can be answered, in the order they are named."""


def judge(rows: Sequence[lifeline.ProcessInfo], *, broker_up: bool, at: float) -> lifeline.Health:
    """Return the health of the tree: ready if each needed role has at least one ready process."""
    missing = [
        role.value
        for role in NEEDED
        if not any(row.role == role.value and row.state == "ready" for row in rows)
    ]
    if not broker_up:
        reason = "the broker does not answer"
    elif missing:
        reason = f"no live process: {', '.join(missing)}"
    else:
        reason = ""
    return lifeline.Health(not reason, reason, at, tuple(rows))


@dataclass(slots=True)
class Readiness:
    """Notices when a server that was ready is so no more, and when it is again."""

    _lost_at: float | None = None

    def look(self, told: lifeline.Health) -> str:
        """Return a line for the log if readiness was lost or regained since the last look."""
        if told.ready == (self._lost_at is None):
            return ""
        if self._lost_at is None:
            self._lost_at = told.at
            return f"the server is not ready: {told.reason}"
        seconds, self._lost_at = told.at - self._lost_at, None
        return f"the server is ready again after {seconds:.1f} s"
