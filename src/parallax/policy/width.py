"""When a run may take several cores of a CPU rather than one. Pure: times are arguments.

More threads make one run shorter and cost more core time in all, so they are for a request that
comes alone, and for networks that gain by them. Both are found out while serving: at the start,
when other processes need the cores too, threads that wait for each other look worse than they are.
"""

import statistics

WORTH = 0.85
"""Part of the time on one core that a run on several may take to be worth it."""


class Solitude:
    """Says which runs of a device come alone."""

    def __init__(self) -> None:
        self._before = True

    def starts(self, running: int, waiting: int) -> bool:
        """Say whether a run that starts now is alone.

        It is when nothing else runs or waits, and the run before started like that. Once says
        little: two clients in turn often miss each other by a moment.

        Args:
            running: other runs in flight.
            waiting: items that stay in the queue.
        """
        now = not running and not waiting
        alone = now and self._before
        self._before = now
        return alone


class Trial:
    """Learns whether runs of one model that come alone are shorter on several cores.

    They take turns for a few runs; then the better one has ``HELD`` runs before the next trial,
    because the first may have come at a bad time.
    """

    EACH = 7
    HELD = 2000

    def __init__(self) -> None:
        self.worth = False
        """The outcome of the last trial."""
        self._seconds: dict[bool, list[float]] = {False: [], True: []}
        self._held = 0

    def choose(self) -> bool:
        """Say whether the next run that comes alone takes several cores."""
        if self._held:
            return self.worth
        return len(self._seconds[True]) < len(self._seconds[False])

    def learn(self, wide: bool, seconds: float) -> bool:
        """Take a run that came alone into account; say whether ``worth`` has just been decided."""
        if self._held:
            self._held -= 1
            return False
        self._seconds[wide].append(seconds)
        if min(map(len, self._seconds.values())) < self.EACH:
            return False
        one, several = (statistics.median(self._seconds[each]) for each in (False, True))
        self.worth = several <= WORTH * one
        for taken in self._seconds.values():
            taken.clear()
        self._held = self.HELD
        return True
