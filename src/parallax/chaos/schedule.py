"""Which fault comes when, from a seed alone: the same seed and faults give the same steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

LONGEST_HOLD = 20.0
_SHORTEST_HOLD = 0.5
_PICKS = 6


@dataclass(frozen=True, slots=True)
class Step:
    """One fault, and all that is left to chance in it."""

    fault: str
    hold: float
    """Seconds, for faults that last."""
    picks: tuple[float, ...]
    """Numbers in [0, 1) that choose whom it meets."""

    def pick(self, count: int, nth: int = 0) -> int:
        """Choose one of ``count``."""
        return int(self.picks[nth % len(self.picks)] * count)


def steps(seed: int, faults: Sequence[str], every: float) -> Iterator[Step]:
    """Yield steps without end: in each round all faults, in another order.

    ``every`` is the seconds between two faults; what lasts takes twice as long at most.
    """
    rng = np.random.default_rng(seed)
    longest = max(_SHORTEST_HOLD, min(LONGEST_HOLD, 2 * every))
    while faults:
        for at in rng.permutation(len(faults)):
            hold = float(rng.uniform(_SHORTEST_HOLD, longest))
            yield Step(faults[int(at)], hold, tuple(rng.random(_PICKS).tolist()))
