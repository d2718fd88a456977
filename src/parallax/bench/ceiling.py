"""What this machine could do: the stages alone, in the best arrangement of processes and threads.

On a CPU all stages share the cores, so whole requests are taken through in several arrangements and
the fastest counts. With an accelerator the cores and the device work side by side: the ceiling is
the lower of what the cores can decode and answer, and what the device can run.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from parallax.bench import crew, failures, one_model, result, stages_alone
from parallax.engine import device as devices
from parallax.engine import session as sessions
from parallax.settings import machine, sources

PER_CORE = "one process per core"
SHARED = "one process, a thread per core"
WIDE = "one process, each run on all cores"

_BATCH = 4
"""Tried on a CPU beside single pictures."""
_SHORTEST = 1.0
"""Seconds that an arrangement is measured at least."""
_IN_FLIGHT = 2
"""Runs on an accelerator at a time: one computes while the other's data is copied."""

Job = stages_alone.Job


def measure(
    models: Sequence[Path],
    model: str | None,
    pictures: Sequence[bytes],
    seconds: float,
    device: str | None,
) -> result.Ceiling:
    """Measure the stages without a server, on the cores that this process may use.

    Args:
        models: folders of packages; none: the demo model.
        model: id or alias; None: the first.
        pictures: encoded; each process takes them in turn.
        seconds: for all arrangements together, of which each gets at least one. Starting the
            processes of each takes one or two more.
        device: ``cpu`` or ``cuda:N``; None: as a server chooses it.

    Raises:
        BenchError: there is no such model, it cannot be run, or a picture cannot be decoded.
        SettingsError: there is no device of such a name.
    """
    chosen = devices.choose(() if device is None else (device,))[0]
    cores = machine.inspect(sources.environment()).cpus
    with tempfile.TemporaryDirectory(prefix="parallax-bench-") as cache:
        served, exported = crew.call(one_model.read, list(models), model, Path(cache))
        batch = served.batch.fixed_size or 1
        job = Job(served, list(pictures), str(chosen), batch=batch)
        plain = exported and dataclasses.replace(job, model=exported, work="plain")
        if chosen.batches:
            sizes = sessions.batch_sizes(served.batch, chosen)
            return beside_device(job, plain, cores, sizes, seconds)
        return on_cores(job, plain, cores, seconds)


def on_cores(job: Job, plain: Job | None, cores: int, seconds: float) -> result.Ceiling:
    """Measure all stages on the cores in several arrangements, of which the fastest counts.

    Raises:
        BenchError: not even a process per core can do it.
    """
    wanted = arrangements(job, cores)
    each = max(_SHORTEST, seconds / (len(wanted) + (plain is not None)))
    reached = {PER_CORE: crew.work(wanted.pop(PER_CORE), each)}
    for name, jobs in wanted.items():
        # What cannot be had (a graph that takes no batch, no memory) is no ceiling either.
        with contextlib.suppress(failures.BenchError):
            reached[name] = crew.work(jobs, each)
    rates = {name: tally.images / each for name, tally in reached.items()}
    best = max(rates, key=lambda name: rates[name])
    stages_ms = reached[PER_CORE].ms()
    commonly = None if plain is None else crew.work(_per_core(plain, cores), each).images / each
    return result.Ceiling(
        images_per_s=rates[best],
        arrangement=best,
        binds=max(stages_ms, key=lambda stage: stages_ms[stage]),
        stages_ms=stages_ms,
        arrangements=rates,
        runs=[rates[best]],
        plain_images_per_s=commonly,
    )


def arrangements(job: Job, cores: int) -> dict[str, list[Job]]:
    """Return the jobs of each arrangement on a CPU, by its name."""
    found = {PER_CORE: _per_core(job, cores)}
    if job.model.batch.fixed_size is None:
        batched = dataclasses.replace(job, batch=_BATCH)
        found[f"{PER_CORE}, batches of {_BATCH}"] = _per_core(batched, cores)
    if cores > 1:
        found[SHARED] = [dataclasses.replace(job, threads=cores)]
        found[WIDE] = [dataclasses.replace(job, threads=cores, run_threads=cores)]
    return found


def beside_device(
    job: Job, plain: Job | None, cores: int, sizes: Sequence[int], seconds: float
) -> result.Ceiling:
    """Measure what the cores and what the device can do, of which the lower counts.

    Args:
        job: for one picture.
        plain: the same of ``plain_work``; measured in the best batch alone.
        cores: how many.
        sizes: batches to try.
        seconds: for all.

    Raises:
        BenchError: one of the two cannot be measured.
    """
    each = max(_SHORTEST, seconds / (len(sizes) + 1 + 2 * (plain is not None)))
    sides = _sides(job, cores, sizes, each)
    best = max(sides, key=lambda side: side.device)
    commonly = None if plain is None else _sides(plain, cores, [best.batch], each)[0].lower
    cores_bind = best.cores < best.device
    return result.Ceiling(
        images_per_s=best.lower,
        arrangement=best.name(cores),
        binds=stages_alone.INFER if not cores_bind else best.slower_on_cores,
        stages_ms=best.stages_ms,
        arrangements={side.name(cores): side.lower for side in sides},
        runs=[best.lower],
        parts={"cores": best.cores, "device": best.device},
        plain_images_per_s=commonly,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Sides:
    """Images per second of the cores, and of the device in batches of one size."""

    batch: int
    cores: float
    device: float
    stages_ms: dict[str, float]

    @property
    def lower(self) -> float:
        """What both can do."""
        return min(self.cores, self.device)

    @property
    def slower_on_cores(self) -> str:
        """The stage that takes most of the cores."""
        on_cores = (stages_alone.PRE, stages_alone.POST)
        return max(on_cores, key=lambda stage: self.stages_ms[stage])

    def name(self, cores: int) -> str:
        """Say it as an arrangement."""
        plural = "s" if cores > 1 else ""
        return f"batches of {self.batch} on the device, the rest on {cores} core{plural}"


def _sides(job: Job, cores: int, sizes: Sequence[int], each: float) -> list[_Sides]:
    decoding = crew.work(_per_core(dataclasses.replace(job, part="pre"), cores), each).ms()
    found = []
    for size in sizes:
        running = dataclasses.replace(job, part="infer", batch=size, threads=_IN_FLIGHT)
        tally = crew.work([running], each)
        rate = tally.images / each
        stages_ms = decoding | tally.ms() | {stages_alone.INFER: 1000.0 / rate}
        on_cores = stages_ms[stages_alone.PRE] + stages_ms[stages_alone.POST]
        found.append(_Sides(size, cores * 1000.0 / on_cores, rate, stages_ms))
    return found


def _per_core(job: Job, cores: int) -> list[Job]:
    """Return a job for each core; they begin with pictures that lie apart."""
    apart = len(job.pictures) / cores
    return [dataclasses.replace(job, first=int(core * apart)) for core in range(cores)]
