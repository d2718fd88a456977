"""Can the pipeline answer? Pure: the process table in, the truth for ``/readiness`` out."""

from collections.abc import Sequence

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
