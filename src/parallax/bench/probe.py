"""Short measurements of the stages, for a server that chooses its workers by them.

The stages are those of ``stages_alone``; what is different from the ceiling is the time: seconds
for all, so what would not end in time is left out, and what is slow at first sight is not looked at
twice.
"""

import dataclasses
import logging
import time

from parallax.bench import failures, photographs, stages_alone
from parallax.contract import spec
from parallax.engine import device as devices
from parallax.engine import runtime
from parallax.engine import session as sessions
from parallax.policy import tuning

log = logging.getLogger(__name__)

SIZES = (photographs.VGA, photographs.HD, photographs.FULL_HD)
"""Of the pictures; larger ones would take long to draw."""

_WINDOW = 0.15
"""Seconds of one look at a way to run the network."""
_ROUNDS = 4
"""Looks at those that contend with the fastest, after the first at all."""
_PRE_SECONDS = 0.2
_POST_SECONDS = 0.2
_POST_ROUNDS = (2, 20)
_CONTENDS = 0.9
"""Part of the best rate from which on a way is looked at again."""
_LEAD = 0.005
"""Seconds from the word to the start: threads have to be there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What to measure."""

    models: tuple[spec.ModelSpec, ...]
    device: str
    means: runtime.Means
    """Of an accelerator."""
    here: tuning.Place
    seconds: float
    """For all models; loading a network is not interrupted."""


def measure(request: Request) -> list[tuning.Measured]:
    """Measure one model after the other, each in its share of the time that is left.

    A model that cannot be run is left out: a server that loads it says why.
    """
    pictures = photographs.encoded(sizes=SIZES)
    device = devices.parse(request.device)
    sessions.load_device_libraries(device)
    until = time.monotonic() + request.seconds
    found = []
    for index, model in enumerate(request.models):
        now = time.monotonic()
        share = max(0.0, until - now) / (len(request.models) - index)
        job = stages_alone.Job(model, pictures, request.device)
        try:
            found.append(_Probe(job, request).measured(now + share))
        except Exception as problem:  # noqa: BLE001 - models are foreign code
            log.debug("%s is not measured: %s", model.id, problem)
    return found


class _Probe:
    """The networks and the loops of one model."""

    def __init__(self, job: stages_alone.Job, request: Request) -> None:
        self._job = job
        batch = job.model.batch
        device = devices.parse(job.device)
        largest = tuning.CPU_BATCHES[-1]
        self._ways = tuning.ways(request.here, sessions.batch_sizes(batch, device, largest))
        threads = sorted({way.threads for way in self._ways})
        if device.batches:
            self._runs = {1: stages_alone.by_engine(job.model, device, request.means)}
        else:
            self._runs = dict(
                zip(threads, stages_alone.on_threads(job.model, threads), strict=True)
            )
        self._loops: dict[tuple[int, int], stages_alone.Loop] = {}
        self._step: dict[tuple[int, int], float] = {}
        self._cores = request.here.cores

    def measured(self, until: float) -> tuning.Measured:
        """Return what was measured until then, which is one way at least."""
        pre = stages_alone.Loop(dataclasses.replace(self._job, part="pre"), None)
        pre.pre()  # imports the decoder
        pre_ms = _counted(_PRE_SECONDS, pre).ms()[stages_alone.PRE]
        first, *others = self._ways
        rates = {first: self._rate(first)}
        post_ms = self._post_ms(first.threads, pre_ms)
        for way in others:
            if self._ends(way) < until:
                rates |= self._tried(way)
        if len(rates) > 1:
            self._look_again(rates, first, until)
        return tuning.Measured(self._job.model.id, pre_ms, post_ms, rates)

    def _look_again(
        self, rates: dict[tuning.Way, float], default: tuning.Way, until: float
    ) -> None:
        """Measure the default and what contends with the fastest some more times, in turns."""
        for _ in range(_ROUNDS):
            enough = _CONTENDS * max(rates.values())
            for way in [way for way in rates if way == default or rates[way] >= enough]:
                if self._ends(way) < until:
                    # What else runs on this machine can only slow it down.
                    rates[way] = max(rates[way], *self._tried(way).values())

    def _post_ms(self, threads: int, pre_ms: float) -> float:
        """Return what an answer takes; each is made from a picture that is prepared for it."""
        smallest = min(way.batch for way in self._ways if way.threads == threads)
        loop = self._loop(threads, smallest)
        each = self._step[threads, smallest] + smallest * pre_ms / 1000.0
        rounds = min(_POST_ROUNDS[1], max(_POST_ROUNDS[0], int(_POST_SECONDS / each)))
        return stages_alone.answering(loop, rounds).ms()[stages_alone.POST]

    def _tried(self, way: tuning.Way) -> dict[tuning.Way, float]:
        """Return the rate, or nothing where the network cannot be run this way."""
        try:
            return {way: self._rate(way)}
        except Exception as problem:  # noqa: BLE001 - no memory, or a graph that takes no batch
            log.debug("%s cannot be run as %s: %s", self._job.model.id, way, problem)
            return {}

    def _rate(self, way: tuning.Way) -> float:
        # A loop that only runs the network changes nothing of its own, so all runs share it.
        loop = self._loop(way.threads, way.batch)
        rate = _counted(_WINDOW, *([loop] * way.runs)).images / _WINDOW
        if not rate:
            raise failures.BenchError("its threads did not start in time")
        return rate

    def _loop(self, threads: int, batch: int) -> stages_alone.Loop:
        """Return a loop whose pictures are prepared and whose network is warm."""
        if (threads, batch) not in self._loops:
            job = dataclasses.replace(self._job, part="infer", batch=batch)
            loop = stages_alone.Loop(job, self._runs[threads])
            loop.pre()
            loop.infer()
            begun = time.monotonic()
            loop.infer()
            self._step[threads, batch] = time.monotonic() - begun
            self._loops[threads, batch] = loop
        return self._loops[threads, batch]

    def _ends(self, way: tuning.Way) -> float:
        """Guess when the last run of a window will have ended."""
        step = self._step.get((way.threads, way.batch))
        warming = 0.0
        if step is None:
            known = [(size, took) for (_, size), took in self._step.items()]
            size, took = max(known)
            step = took * max(1.0, way.batch / size)
            warming = 2 * step
        crowd = max(1.0, way.runs * way.threads / self._cores)
        return time.monotonic() + warming + max(_WINDOW, step * crowd)


def _counted(seconds: float, *loops: stages_alone.Loop) -> stages_alone.Tally:
    start = time.monotonic() + _LEAD
    return stages_alone.together(loops, start, start + seconds)
