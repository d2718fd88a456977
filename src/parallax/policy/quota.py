"""How much of an api process one key may hold: its own small admission beside the server's.

So that a client that sends more than its share is told to wait by how fast *its* pictures are
answered, and takes nothing from others. Time is an argument.
"""

from parallax.policy import admission


class Stay:
    """The places that one request holds of its key's; they come back when it ends."""

    __slots__ = ("_gate", "_held")

    def __init__(self, gate: admission.Admission) -> None:
        self._gate = gate
        self._held = 0

    def hold(self, count: int, now: float) -> int:
        """Hold ``count`` places in all: 0 if there is room for those that are still missing, else
        nothing changes, and the return is the seconds after which to try again."""
        missing = count - self._held
        if missing <= 0:
            return 0
        if not self._gate.try_acquire(missing, now):
            return max(1, self._gate.retry_after(missing, now))
        self._held = count
        return 0

    def end(self, now: float) -> None:
        """Give all places back; a second time does nothing."""
        held, self._held = self._held, 0
        if held:
            self._gate.release(held, now)
