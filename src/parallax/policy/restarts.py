"""When a dead child may start again: at once after a long life, later and later in a crash loop."""

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Delays that double from ``first`` to ``longest`` seconds and fall back after a healthy
    run."""

    first: float = 0.05
    longest: float = 10.0
    healthy_after: float = 10.0
    """A child that lived this many seconds is not in a crash loop."""
    failures: int = 0

    def after(self, lived: float) -> float:
        """Return the seconds to wait after a child died that had lived ``lived`` seconds."""
        if lived >= self.healthy_after:
            self.failures = 0
        self.failures += 1
        # The exponent is capped because 2.0 ** 1100 overflows in a loop that nobody stops.
        return min(self.longest, self.first * 2.0 ** min(self.failures - 1, 30))
