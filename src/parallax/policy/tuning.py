"""How many processes, runs, threads and pictures at a time suit this machine and these models.

Pure: measurements in, choices with their reasons out. A run of the network is tried in several
*ways*. The heaviest model decides on the way, because it is the one that waits for the device; the
lightest decides on the workers, because it asks most of them.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

API_WORKERS = "http.api_workers"
CPU_WORKERS = "workers.cpu_workers"
RUNS = "workers.runs"
RUN_THREADS = "workers.run_threads"
CPU_BATCH = "batching.cpu_max_batch"
BATCH = "batching.max_batch"
KEYS = (API_WORKERS, CPU_WORKERS, RUNS, RUN_THREADS, CPU_BATCH, BATCH)

CLOSE = 0.05
"""What is within this part of the best rate is as good, and the simpler of two is taken."""

BUSY = 0.7
"""Part of the time that workers are at work at most: requests do not come evenly."""

API_MS = 1.0
"""What an api process takes of a core for a request, in milliseconds."""

CPU_BATCHES = (1, 2, 4, 8)
"""Batches to try on a CPU."""

_ENOUGH = 1e-9
"""Less than this part of a worker is a rounding error of the sum."""


@dataclass(frozen=True, slots=True)
class Place:
    """What there is to choose for."""

    cores: int
    """CPUs that this process may use."""
    accelerators: int
    """How many; 0: the networks run on the CPU."""
    explicit: Mapping[str, int | None]
    """Values that somebody has set, by key of the setting; these are not chosen."""

    @property
    def batch_key(self) -> str:
        """The setting that bounds the batch here."""
        return BATCH if self.accelerators else CPU_BATCH

    @property
    def open(self) -> tuple[str, ...]:
        """The settings that may be chosen."""
        threads = () if self.accelerators else (RUN_THREADS,)
        keys = (RUNS, *threads, self.batch_key, CPU_WORKERS, API_WORKERS)
        return tuple(key for key in keys if key not in self.explicit)


@dataclass(frozen=True, slots=True)
class Way:
    """How the network is run."""

    runs: int
    """At a time."""
    threads: int
    """Of each run."""
    batch: int

    @property
    def plainness(self) -> tuple[int, int, int]:
        """Orders ways from the simplest on: small batches, then few threads; of more runs each
        request waits less for others."""
        return (self.batch, self.threads, -self.runs)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one model took."""

    model: str
    pre_ms: float
    """For one picture, on one core."""
    post_ms: float
    """The same."""
    rates: Mapping[Way, float]
    """Images per second of the network alone; at least one way, all over 0."""

    @property
    def best(self) -> float:
        """The most images per second of any way."""
        return max(self.rates.values())


@dataclass(frozen=True, slots=True)
class Choice:
    """A value for a setting, and why."""

    key: str
    value: int
    why: str


def ways(here: Place, sizes: Sequence[int]) -> list[Way]:
    """Return what to try, the most telling first: not all may be reached.

    Args:
        here: what is set there is tried in no other way.
        sizes: of batches that the model takes, ascending.
    """
    sizes = _allowed(here, here.batch_key, sizes)
    if here.accelerators:
        # A small batch that was never compared would be a bad choice; a large one is none.
        runs = _allowed(here, RUNS, (2, 1))
        return [Way(count, 1, size) for size in reversed(sizes) for count in runs]
    order = sorted(sizes, key=lambda size: (size != 1, size != 4, size))
    shares = _shares(here.cores, here.explicit.get(RUNS), here.explicit.get(RUN_THREADS))
    return [Way(runs, threads, size) for size in order for runs, threads in shares]


def _shares(cores: int, runs: int | None, threads: int | None) -> list[tuple[int, int]]:
    """Return runs at a time and threads of each to try, which together take no more than the
    cores unless they are set so; the default first."""
    if runs is not None and threads is not None:
        return [(runs, threads)]
    if runs is not None:
        found = [(runs, 1), (runs, max(1, cores // runs))]
    elif threads is not None:
        found = [(max(1, cores // threads), threads), (1, threads)]
    else:
        found = [(cores, 1), (1, cores), (min(2, cores), max(1, cores // 2)), (1, 1)]
        found += [(2, 1)] if cores > 1 else []
    return list(dict.fromkeys(found))


def choose(measured: Sequence[Measured], here: Place) -> tuple[Choice, ...]:
    """Return a choice for each setting that is open and can be chosen.

    Args:
        measured: at least one model.
        here: the machine, and what is set.
    """
    heaviest = min(measured, key=lambda each: each.best)
    lightest = max(measured, key=lambda each: each.best)
    made = (*_way_choices(heaviest, here), *_worker_choices(lightest, here))
    wanted = here.open
    return tuple(choice for choice in made if choice.key in wanted)


def simplest(rates: Mapping[Way, float]) -> Way:
    """Return the simplest way among those that are close to the fastest."""
    enough = max(rates.values()) * (1 - CLOSE)
    return min((way for way, rate in rates.items() if rate >= enough), key=lambda w: w.plainness)


def reachable(one: Measured, here: Place) -> float:
    """Return the images per second that cores and devices could reach with this model at best.

    On a CPU the network shares the cores with the other stages; beside an accelerator the lower of
    both sides counts.
    """
    stages_ms = one.pre_ms + one.post_ms + API_MS
    if here.accelerators:
        return min(one.best * here.accelerators, 1000.0 * here.cores / stages_ms)
    network_ms = 1000.0 * here.cores / one.best
    return 1000.0 * here.cores / (stages_ms + network_ms)


def _way_choices(one: Measured, here: Place) -> Iterable[Choice]:
    """Yield a choice for each part of a way; a batch on accelerators only if it was compared."""
    way = simplest(one.rates)
    told: tuple[tuple[str, int, Callable[[Way], int], str], ...] = (
        (RUNS, way.runs, lambda each: each.runs, "with {} at a time"),
        (RUN_THREADS, way.threads, lambda each: each.threads, "on {}"),
        (here.batch_key, way.batch, lambda each: each.batch, "in batches of {}"),
    )
    for key, value, part, words in told:
        others = {each: rate for each, rate in one.rates.items() if part(each) != value}
        if others:
            other = max(others, key=lambda each: others[each])
            most = f"{others[other]:.1f} {words.format(part(other))}"
            close = f", not {CLOSE:.0%} more" if others[other] > one.rates[way] else ""
            yield Choice(
                key, value, f"{one.model}: {one.rates[way]:.1f} images/s, at best {most}{close}"
            )
        elif key == CPU_BATCH:
            yield Choice(key, CPU_BATCHES[0], f"{one.model}: no other batch was tried")
        elif key != BATCH:
            yield Choice(key, value, f"{one.model}: nothing else was tried")


def _worker_choices(one: Measured, here: Place) -> Iterable[Choice]:
    rate = reachable(one, here)
    slower = max(one.pre_ms, one.post_ms)
    stages = f"pre {one.pre_ms:.1f} ms and post {one.post_ms:.1f} ms a picture"
    most = f"at most {rate:.0f} pictures/s here, workers busy {BUSY:.0%} of the time at most"
    workers, apis = _count(rate * slower, here.cores), _count(rate * API_MS, here.cores)
    yield Choice(CPU_WORKERS, workers, f"{one.model}: {stages}, {most}")
    yield Choice(API_WORKERS, apis, f"{one.model}: {API_MS:g} ms a request, {most}")


def _count(busy_ms: float, cores: int) -> int:
    """Return how many processes carry so many milliseconds of work in each second."""
    return min(cores, max(1, math.ceil(busy_ms / 1000.0 / BUSY - _ENOUGH)))


def _allowed(here: Place, key: str, values: Collection[int]) -> list[int]:
    """Return the values to try: the one that is set, if one is; a batch at most as far as it
    goes."""
    fixed = here.explicit.get(key)
    if fixed is None:
        return list(values)
    if key != here.batch_key:
        return [fixed]
    return [max((size for size in values if size <= fixed), default=min(values))]
