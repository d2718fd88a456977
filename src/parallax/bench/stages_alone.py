"""What a request takes of one core: its stages, one after the other in this process.

No HTTP, no broker, no memory of another process, and the picture is there as bytes: reading base64
out of JSON belongs to the server that has to, not to what the machine could do.
"""

import time
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from parallax.bench import plain_work
from parallax.contract import messages, spec, tasks
from parallax.engine import device as devices
from parallax.engine import runtime
from parallax.engine import session as sessions
from parallax.models import plain
from parallax.models.families import heads
from parallax.stages import pre
from parallax.stages.post import respond

PRE, INFER, POST = "pre", "infer", "post"

MAX_PIXELS = 178_000_000

_PARAMS: dict[str, messages.Params] = {
    tasks.OBJECT_DETECTION: messages.DetectionParams(),
    tasks.INSTANCE_SEGMENTATION: messages.SegmentationParams(),
    tasks.KEYPOINT_DETECTION: messages.KeypointParams(),
    tasks.CLASSIFICATION: messages.ClassificationParams(),
    tasks.SEMANTIC_SEGMENTATION: messages.SemanticParams(),
}

Pixels = NDArray[np.uint8]
Item = tuple[NDArray[Any], ...]
"""The outputs for one picture, reduced."""
Run = Callable[[Pixels], sessions.Outputs]
"""Runs the network on (n, height, width, 3)."""
Work = Literal["parallax", "plain"]
Part = Literal["all", "pre", "infer"]


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is to do over and over."""

    model: spec.ModelSpec
    pictures: Sequence[bytes]
    device: str = "cpu"
    work: Work = "parallax"
    part: Part = "all"
    """``infer``: of pictures that were prepared before."""
    batch: int = 1
    threads: int = 1
    """Loops in this process; they share one session."""
    run_threads: int = 1
    """That compute one run, on a CPU."""
    first: int = 0
    """Which picture to begin with, so that processes do not all decode the same."""


@dataclass(slots=True)
class Tally:
    """What was done within the window."""

    images: float = 0.0
    """The last batch counts for the part of it that was within."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Spent in each stage."""
    timed: dict[str, int] = field(default_factory=dict)
    """Images that went through each stage in that time."""

    def note(self, stage: str, seconds: float, images: int) -> None:
        """Add what a stage took."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        self.timed[stage] = self.timed.get(stage, 0) + images

    def add(self, other: "Tally") -> None:
        """Take in what another loop did."""
        self.images += other.images
        for stage, seconds in other.seconds.items():
            self.note(stage, seconds, other.timed[stage])

    def ms(self) -> dict[str, float]:
        """Return milliseconds per image by stage."""
        return {
            stage: 1000.0 * seconds / max(1, self.timed[stage])
            for stage, seconds in self.seconds.items()
        }


class Loop:
    """Takes one batch of pictures after the other through the stages."""

    def __init__(self, job: Job, run: Run | None) -> None:
        self.batch = job.batch
        self._job = job
        self._run = run
        target = job.model.input
        self._tensors = np.zeros((job.batch, target.height, target.width, 3), np.uint8)
        self._placed: list[messages.Geometry] = []
        self._next = job.first
        self._prepare = plain_work.prepare if job.work == "plain" else _prepare

    def step(self, tally: Tally) -> None:
        """Do the next batch, and note what each stage took."""
        begun = time.perf_counter()
        if self._job.part != "infer":
            self.pre()
            begun = self._note(tally, PRE, begun)
        if self._job.part == "pre":
            return
        items = self.infer()
        begun = self._note(tally, INFER, begun)
        if self._job.part == "all":
            self.post(items)
            self._note(tally, POST, begun)

    def _note(self, tally: Tally, stage: str, begun: float) -> float:
        now = time.perf_counter()
        tally.note(stage, now - begun, self.batch)
        return now

    def pre(self) -> None:
        """Decode the next pictures into the input."""
        self._placed.clear()
        for out in self._tensors:
            data = self._job.pictures[self._next % len(self._job.pictures)]
            self._next += 1
            self._placed.append(self._prepare(data, self._job.model.input, out))

    def infer(self) -> list[Item]:
        """Run the network on the input and keep what can matter."""
        assert self._run is not None
        model = self._job.model
        outputs = self._run(self._tensors)
        each = ([output[index] for output in outputs] for index in range(len(self._tensors)))
        return [heads.reduce(model, item, _PARAMS[model.task]) for item in each]

    def post(self, items: list[Item]) -> list[bytes]:
        """Build the answers."""
        model = self._job.model
        params = _PARAMS[model.task]
        pairs = zip(items, self._placed, strict=True)
        return [respond.respond(item, model, params, placed) for item, placed in pairs]


def counted(
    loop: Loop, start: float, end: float, clock: Callable[[], float] = time.monotonic
) -> Tally:
    """Work from ``start`` until after ``end`` (of the clock) and count what lies between."""
    tally = Tally()
    time.sleep(max(0.0, start - clock()))
    begun = clock()
    while begun < end:
        loop.step(tally)
        finished = clock()
        tally.images += loop.batch * min(1.0, (end - begun) / (finished - begun))
        begun = finished
    return tally


def together(loops: Sequence[Loop], start: float, end: float) -> Tally:
    """Let all loops work at the same time, each in a thread, and return what they did."""
    total = Tally()
    with futures.ThreadPoolExecutor(len(loops)) as threads:
        for count in [threads.submit(counted, loop, start, end) for loop in loops]:
            total.add(count.result())
    return total


def answering(loop: Loop, rounds: int) -> Tally:
    """Time the answers alone, for a loop whose steps are without them; counts no images."""
    tally = Tally()
    for _ in range(rounds):
        loop.pre()
        items = loop.infer()
        begun = time.perf_counter()
        loop.post(items)
        tally.note(POST, time.perf_counter() - begun, loop.batch)
    return tally


def network(job: Job) -> Run:
    """Load the network, and run it once in the batch that is wanted.

    The engine's own session does it where it can. On a CPU that takes neither larger batches nor
    several threads for a run, because these do not pay; whether that holds is measured here.

    Raises:
        ModelRefusedError: it cannot be loaded.
        Exception: whatever ONNX Runtime raises when it runs it.
    """
    device = devices.parse(job.device)
    sessions.load_device_libraries(device)
    if device.batches or (job.run_threads == 1 and job.batch <= (job.model.batch.fixed_size or 1)):
        run = by_engine(job.model, device)
    else:
        (run,) = on_threads(job.model, [job.run_threads])
    run(np.zeros((job.batch, job.model.input.height, job.model.input.width, 3), np.uint8))
    return run


def by_engine(
    model: spec.ModelSpec, device: devices.Device, means: runtime.Means | None = None
) -> Run:
    """Return the engine's own session of a network.

    Raises:
        ModelRefusedError: it cannot be loaded.
        StartupError: the device cannot be used.
    """
    session = sessions.Session(model, device, means or runtime.Means())

    def run(batch: Pixels) -> sessions.Outputs:
        return session.run(list(batch))

    return run


def on_threads(model: spec.ModelSpec, threads: Sequence[int]) -> list[Run]:
    """Return a session on the CPU, for batches of any size, for each number of threads.

    Raises:
        Exception: whatever ONNX Runtime raises about the graph.
    """

    def runs_in(session: Any) -> Run:
        def run(batch: Pixels) -> sessions.Outputs:
            feed = plain.to_network_input(batch, model.plain) if model.plain else batch
            outputs: sessions.Outputs = session.run(
                list(model.output_names), {model.input_name: feed}
            )
            return outputs

        return run

    return [runs_in(session) for session in runtime.open_cpu(model.graph, threads)]


def _prepare(data: bytes, target: spec.InputSpec, out: Pixels) -> messages.Geometry:
    return pre.prepare(data, messages.ImageOptions(), target, MAX_PIXELS, out)
