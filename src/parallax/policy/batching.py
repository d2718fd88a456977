"""Which waiting items form the next batch, and when it may leave.

Pure: time is an argument, and nothing here knows what an item is made of. The rules, in order:

* An idle device starts at once with what is there; a busy one lets the next batch grow until it is
  full. ``max_delay`` may hold a small batch back for a moment even when the device idles.
* Between keys (model and input shape) the one whose oldest item has waited longest goes first,
  weighted by how full its batch would be. Ages grow without bound while the weight does not, so
  none starves.
* A device that runs a batch item by item gets batches that take no longer than a moment, and items
  that wait are shared among its free runs: there a batch saves trips and nothing else.
* A batch never takes on so many items that its earliest deadline would be missed when fewer would
  do.
* An item that has already lost an owner runs alone, on a device with nothing else in flight: if it
  is the one that kills, it takes nobody along.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")

IN_TURN = 8
"""Items of a batch that runs item by item, at most."""
IN_TURN_SECONDS = 0.016
"""What such a batch may take: more and it would save nothing that can be noticed."""


class Reason(StrEnum):
    """Why a batch left when it did."""

    FULL = "full"
    IDLE = "idle"
    DEADLINE = "deadline"
    DELAY = "delay"
    SUSPECT = "suspect"
    TURN = "turn"
    """The device is busy, but a full batch of a less urgent key would have overtaken it."""
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Limits:
    """How one key may be batched. Times are in seconds."""

    max_size: int
    max_delay: float = 0.0
    in_turn: float | None = None
    """What a batch may take on a device that runs it item by item; None: it does not."""


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """An item in the queue; ``arrived`` and ``deadline`` are seconds of one monotonic clock."""

    key: Hashable
    arrived: float
    deadline: float
    suspect: bool
    item: T


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Items of one key, oldest first, that run together."""

    key: Hashable
    items: tuple[Waiting[T], ...]
    reason: Reason


class LatencyModel:
    """Run time of a batch as ``a + b * size``, by exponentially weighted least squares.

    With less than two distinct sizes seen it falls back to the mean; with nothing seen, to zero, so
    that an unknown model is never held back.
    """

    _DECAY = 0.95

    def __init__(self) -> None:
        self._weight = self._x = self._y = self._xx = self._xy = 0.0

    def learn(self, size: int, seconds: float) -> None:
        """Take one measured run into account."""
        keep = self._DECAY
        self._weight = self._weight * keep + 1.0
        self._x = self._x * keep + size
        self._y = self._y * keep + seconds
        self._xx = self._xx * keep + size * size
        self._xy = self._xy * keep + size * seconds

    def predict(self, size: int) -> float:
        """Return the expected seconds of a batch of this size."""
        if not self._weight:
            return 0.0
        mean = self._y / self._weight
        spread = self._weight * self._xx - self._x * self._x
        if spread <= 1e-9 * self._xx * self._weight:
            return mean
        slope = max(0.0, (self._weight * self._xy - self._x * self._y) / spread)
        return max(0.0, mean + slope * (size - self._x / self._weight))


@dataclass(slots=True)
class _Lane(Generic[T]):
    """The queue of one key."""

    limits: Limits
    queue: deque[Waiting[T]] = field(default_factory=deque)
    latency: LatencyModel = field(default_factory=LatencyModel)
    cap: int | None = None
    cap_until: float = 0.0

    def size_limit(self, now: float) -> int:
        limit = self.limits.max_size
        if self.cap is not None and now < self.cap_until:
            limit = min(self.cap, limit)
        if self.limits.in_turn is None:
            return limit
        one = self.latency.predict(1)
        return max(1, int(min(limit, self.limits.in_turn / one))) if one else 1

    def share(self, free: int) -> int:
        """Return how many items one of ``free`` runs may take, so that the others get theirs."""
        count = len(self.queue)
        return count if self.limits.in_turn is None else -(-count // free)


class Batcher(Generic[T]):
    """Holds the waiting items of one device and decides on batches."""

    CAP_SECONDS = 60.0
    """How long a device that ran out of memory keeps its lowered batch size."""

    def __init__(self, limits: Callable[[Hashable], Limits]) -> None:
        self._limits = limits
        self._lanes: dict[Hashable, _Lane[T]] = {}

    def __len__(self) -> int:
        return sum(len(lane.queue) for lane in self._lanes.values())

    def add(self, waiting: Waiting[T]) -> None:
        """Queue an item behind those of its key."""
        self._lane(waiting.key).queue.append(waiting)

    def learn(self, key: Hashable, size: int, seconds: float) -> None:
        """Take a measured run into account."""
        self._lane(key).latency.learn(size, seconds)

    def expected(self, key: Hashable, size: int) -> float:
        """Return the seconds that a run of this size should take; 0 if none of the key was seen."""
        lane = self._lanes.get(key)
        return lane.latency.predict(size) if lane else 0.0

    def lower_cap(self, key: Hashable, size: int, now: float) -> None:
        """Let batches of this key have at most ``size`` items for a while."""
        lane = self._lane(key)
        lane.cap = max(1, size)
        lane.cap_until = now + self.CAP_SECONDS

    def forget(self, unwanted: Callable[[Hashable], bool]) -> None:
        """Forget what was learnt of empty queues whose key is ``unwanted``."""
        gone = [key for key, lane in self._lanes.items() if not lane.queue and unwanted(key)]
        for key in gone:
            del self._lanes[key]

    def largest(self, now: float) -> int:
        """Return how many items the largest batch of any key may have now."""
        return max((lane.size_limit(now) for lane in self._lanes.values()), default=1)

    def holds(self, wanted: Callable[[Hashable], bool]) -> bool:
        """Say whether an item waits whose key is ``wanted``."""
        return any(lane.queue and wanted(key) for key, lane in self._lanes.items())

    def waiting(self) -> list[Waiting[T]]:
        """Return all items."""
        return [waiting for lane in self._lanes.values() for waiting in lane.queue]

    def remove(self, unwanted: Callable[[Waiting[T]], bool]) -> list[Waiting[T]]:
        """Take out and return all items for which ``unwanted`` is true."""
        removed: list[Waiting[T]] = []
        for lane in self._lanes.values():
            taken = [waiting for waiting in lane.queue if unwanted(waiting)]
            if taken:
                gone = set(map(id, taken))
                lane.queue = deque(w for w in lane.queue if id(w) not in gone)
                removed += taken
        return removed

    def expired(self, now: float) -> list[Waiting[T]]:
        """Take out and return the items whose deadline has passed."""
        return self.remove(lambda waiting: waiting.deadline <= now)

    def next(
        self,
        now: float,
        *,
        idle: bool,
        draining: bool = False,
        empty: bool = True,
        free: int = 1,
    ) -> Batch[T] | None:
        """Take the next batch out, or return None while it should still wait.

        ``idle`` says that the device has nothing to do; otherwise only a full batch leaves, or a
        more urgent one that it would have overtaken.
        ``empty`` says that no run at all is in flight: while a suspect waits nothing else starts,
        and the suspect itself starts only then, so that what it kills is only itself.
        ``free`` is how many runs could start now.
        """
        lanes = self._most_urgent_first(now)
        suspect = next((lane for lane in lanes if lane.queue[0].suspect), None)
        if suspect is not None:
            return self._take(suspect, 1, Reason.SUSPECT) if empty else None
        passed_over: tuple[_Lane[T], int] | None = None
        for lane in lanes:
            chosen, reason = self._choose(lane, now, free)
            if reason is Reason.FULL:
                if passed_over is not None:
                    return self._take(*passed_over, Reason.TURN)
                return self._take(lane, chosen, reason)
            if draining:
                return self._take(lane, chosen, Reason.DRAIN)
            if now < self._due(lane, now):
                continue
            if idle:
                held = lane.limits.max_delay > 0 and reason is Reason.IDLE
                return self._take(lane, chosen, Reason.DELAY if held else reason)
            passed_over = passed_over or (lane, chosen)
        return None

    @property
    def suspect_waits(self) -> bool:
        """Whether the next batch is one that waits for the device to be empty."""
        return any(lane.queue[0].suspect for lane in self._waiting_lanes())

    def due(self, now: float) -> float | None:
        """Return when an idle device should ask again, or None when nothing waits."""
        return min((self._due(lane, now) for lane in self._waiting_lanes()), default=None)

    def _lane(self, key: Hashable) -> _Lane[T]:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self._limits(key))
        return lane

    def _waiting_lanes(self) -> Iterable[_Lane[T]]:
        return (lane for lane in self._lanes.values() if lane.queue)

    def _most_urgent_first(self, now: float) -> list[_Lane[T]]:
        lanes = list(self._waiting_lanes())
        if len(lanes) > 1:
            lanes.sort(key=lambda lane: -self._urgency(lane, now))
        return lanes

    def _urgency(self, lane: _Lane[T], now: float) -> float:
        limit = lane.size_limit(now)
        fill = min(len(lane.queue), limit) / limit
        return (now - lane.queue[0].arrived) * (1.0 + fill)

    def _due(self, lane: _Lane[T], now: float) -> float:
        oldest = lane.queue[0]
        if lane.limits.max_delay <= 0:
            return oldest.arrived
        latest = min(w.deadline for w in lane.queue) - lane.latency.predict(len(lane.queue))
        return min(oldest.arrived + lane.limits.max_delay, latest)

    def _choose(self, lane: _Lane[T], now: float, free: int) -> tuple[int, Reason]:
        """Return how many items, from the oldest on, the lane's next batch would take, and why."""
        limit = lane.size_limit(now)
        deadlines: list[float] = []
        for waiting in lane.queue:
            if waiting.suspect or len(deadlines) == limit:
                break
            deadlines.append(waiting.deadline)
        punctual = self._punctual(lane.latency, deadlines, now)
        size = min(punctual, lane.share(free))
        if size == punctual < len(deadlines):
            return size, Reason.DEADLINE
        return size, Reason.FULL if size == limit else Reason.IDLE

    @staticmethod
    def _punctual(latency: LatencyModel, deadlines: list[float], now: float) -> int:
        """Return the largest batch that meets its earliest deadline; if none does, all of them."""
        earliest: list[float] = []
        for deadline in deadlines:
            earliest.append(min(deadline, earliest[-1]) if earliest else deadline)
        for size in range(len(deadlines), 0, -1):
            if now + latency.predict(size) <= earliest[size - 1]:
                return size
        return len(deadlines)

    @staticmethod
    def _take(lane: _Lane[T], size: int, reason: Reason) -> Batch[T]:
        items = tuple(lane.queue.popleft() for _ in range(size))
        return Batch(items[0].key, items, reason)
