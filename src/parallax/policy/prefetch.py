"""How many entries a worker of a CPU stage takes and moves on at a time.

A trip to the broker costs both sides some tens of microseconds, and one for several entries hardly
more. So entries that are quick to work on are taken and moved on together; slow ones are taken one
by one, because what one worker holds another could be working on.
"""

_WEIGHT = 0.2
"""Of the last entry in the expectation for the next."""


class Prefetch:
    """Learns how long entries take. Times are in seconds."""

    def __init__(self, most: int, window: float) -> None:
        """Hold at most ``most`` entries, and no finished one for longer than ``window``."""
        self._most = most
        self._window = window
        self._expected = window

    def learn(self, seconds: float) -> None:
        """Take the work on one entry into account."""
        self._expected += _WEIGHT * (seconds - self._expected)

    @property
    def count(self) -> int:
        """How many entries to take: what is worked on within the window, at least one."""
        if self._expected * self._most <= self._window:
            return self._most
        return max(1, int(self._window / self._expected))

    def lets_wait(self, seconds: float) -> bool:
        """Say whether an entry that was finished ``seconds`` ago may wait for one more."""
        return seconds + self._expected <= self._window
