"""How long a new picture will take, told from how long others have taken.

In a pipeline that is served in order, a picture that came as the n-th in flight took about
``a + n / rate``: nothing of it needs to be known, because the times themselves are known, by model
and by how many were in flight. What nobody has measured lately is bounded by what somebody has:
time per place in the queue only falls as the queue grows (``a`` is shared by more), so a shorter
queue tells an upper bound, and so does a longer one.

Time is an argument: nothing here knows a clock.
"""

from dataclasses import dataclass

WEIGHT = 0.2
"""Of the newest time in the running mean."""
CURRENT = 2.0
"""Seconds for which the times at one length of the queue speak for that length alone."""
FRESH = 30.0
"""Seconds after which a time is forgotten: nothing may be refused for ever because of it."""
MOST_MODELS = 1024


@dataclass(slots=True)
class _Level:
    """Running means at queues between two powers of two."""

    seconds: float
    per_place: float
    at: float

    def note(self, place: int, seconds: float, now: float) -> None:
        weight = 1.0 if now - self.at > FRESH else WEIGHT
        self.seconds += weight * (seconds - self.seconds)
        self.per_place += weight * (seconds / place - self.per_place)
        self.at = now


class Forecast:
    """Learns from every answer; the memory is bounded by models and powers of two."""

    def __init__(self) -> None:
        self._models: dict[str, dict[int, _Level]] = {}

    def answered(self, model: str, place: int, seconds: float, now: float) -> None:
        """Learn that the ``place``-th picture in flight (from 1) was answered after ``seconds``."""
        levels = self._models.get(model)
        if levels is None:
            if len(self._models) >= MOST_MODELS:
                self._models.pop(next(iter(self._models)))
            levels = self._models[model] = {}
        number = place.bit_length()
        level = levels.get(number)
        if level is None:
            levels[number] = _Level(seconds, seconds / place, now)
        else:
            level.note(place, seconds, now)

    def unanswered(self, model: str, place: int, seconds: float, now: float) -> None:
        """Learn that the ``place``-th picture in flight would take longer than ``seconds``."""
        if self.wait(model, place, now) < seconds:
            self.answered(model, place, seconds, now)

    def wait(self, model: str, place: int, now: float) -> float:
        """Return the seconds that the ``place``-th picture in flight will probably take; 0.0 if
        nothing is known of this model."""
        levels = self._models.get(model)
        return 0.0 if levels is None else _wait(levels, place, now)

    def least(self, place: int, now: float) -> float:
        """Return the same for the quickest model: what any request will at least take."""
        return min((_wait(each, place, now) for each in self._models.values()), default=0.0)


def _wait(levels: dict[int, _Level], place: int, now: float) -> float:
    number = place.bit_length()
    own = levels.get(number)
    if own is not None and now - own.at <= CURRENT:
        return own.per_place * place
    fresh = {each: level for each, level in levels.items() if now - level.at <= FRESH}
    shorter = [level.per_place * place for each, level in fresh.items() if each <= number]
    longer = [level.seconds for each, level in fresh.items() if each > number]
    return min(shorter + longer, default=0.0)
