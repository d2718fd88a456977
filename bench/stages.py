"""Milliseconds per picture of the stages around the network, on one core.

    python bench/stages.py [--seconds 0.5] [--side 640]

Prepares generated scenes of several sizes (JPEG, quality 90) with both ways of decoding, and makes
answers of invented candidates. CPU time, the best of many rounds, in the environment of the
server's workers (one thread, memory kept); page faults are counted, because each costs as much as
hundreds of pixels.
"""

import argparse
import io
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages, spec, tasks
from parallax.contract.decoding import Decoding
from parallax.demo import scenes
from parallax.models.families import heads
from parallax.stages import pre
from parallax.stages.post import respond
from parallax.supervisor import environment
from parallax.vision import geometry, opencv

SIZES = ((640, 480), (1280, 720), (1920, 1080), (4000, 3000))
CLASSES = 80
MAX_PIXELS = 178_000_000
ROWS = 300
"""That leave a fused graph for each picture."""

Work = Callable[[], object]


def as_a_worker() -> None:
    """Start again in the environment of a worker, once."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:  # noqa: TID251
        environment.prepare(Path(tempfile.gettempdir()))
        os.execv(sys.executable, [sys.executable, *sys.argv])
    opencv.stay_single_threaded()


def picture(size: tuple[int, int], seed: int) -> bytes:
    """Return a scene as a camera stores it."""
    stream = io.BytesIO()
    scenes.generate(seed, size).image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def preparations(side: int) -> Iterator[tuple[str, Work]]:
    """Yield what to time of the pre stage; each work prepares one picture."""
    target = spec.InputSpec(side, side)
    out = np.empty((side, side, 3), np.uint8)
    options = messages.ImageOptions()
    for size in SIZES:
        data = picture(size, 1)
        for decoding in Decoding:

            def work(data: bytes = data, decoding: Decoding = decoding) -> object:
                return pre.prepare(data, options, target, MAX_PIXELS, out, decoding)

            yield f"prepare {size[0]}x{size[1]}, {decoding.value}", work


def candidates(count: int, objects: int, extras: int) -> NDArray[np.float32]:
    """Return rows of boxes, several for each object, best first."""
    random = np.random.default_rng(count)
    which = random.integers(0, objects, count)
    places = random.uniform(100, 500, (objects, 2))[which] + random.normal(0, 3, (count, 2))
    sides = random.uniform(30, 150, (objects, 2))[which] * random.uniform(0.9, 1.1, (count, 2))
    scores = np.sort(random.uniform(0.4, 0.95, (count, 1)), axis=0)[::-1]
    classes = random.integers(0, CLASSES, (objects, 1))[which]
    more = random.uniform(0, 1, (count, extras))
    return np.hstack([places, sides, scores, classes, more]).astype(np.float32)


def model(task: str, layout: spec.Layout) -> spec.ModelSpec:
    """Return a model of 640x640 pixels; its graph is never run."""
    labels = tuple(f"class {index}" for index in range(CLASSES))
    shape, batch = spec.InputSpec(640, 640), spec.BatchSpec()
    return spec.ModelSpec(
        "m", "1", task, "yolov8", labels, shape, batch, "", True, "", (), "", layout=layout
    )


def answers() -> Iterator[tuple[str, Work]]:
    """Yield what to time behind the network; each work answers for one picture of 1920x1080."""
    waves = np.sin(np.arange(32 * 160 * 160).reshape(32, 160, 160) / 900.0).astype(np.float32)
    kinds: list[tuple[str, spec.Layout, int, messages.Params]] = [
        (tasks.OBJECT_DETECTION, spec.Layout(), 0, messages.DetectionParams()),
        (tasks.KEYPOINT_DETECTION, spec.Layout(keypoints=17), 51, messages.KeypointParams()),
        (
            tasks.INSTANCE_SEGMENTATION,
            spec.Layout(coefficients=32, map_size=(160, 160)),
            32,
            messages.SegmentationParams(),
        ),
    ]
    for task, layout, extras, params in kinds:
        served = model(task, layout)
        _, placed = geometry.fit(1920, 1080, served.input)
        maps = [waves] if layout.map_size else []
        for count, objects in ((20, 6), (300, 40)):
            rows = np.zeros((ROWS, 6 + extras), np.float32)
            rows[:count] = candidates(count, objects, extras)

            def reduce(
                served: spec.ModelSpec = served,
                outputs: list[NDArray[np.float32]] = [rows, *maps],  # noqa: B006
                params: messages.Params = params,
            ) -> tuple[NDArray[np.float32], ...]:
                return heads.reduce(served, outputs, params)

            def answer(
                served: spec.ModelSpec = served,
                outputs: tuple[NDArray[np.float32], ...] = reduce(),
                params: messages.Params = params,
                placed: messages.Geometry = placed,
            ) -> object:
                return respond.respond(outputs, served, params, placed)

            yield f"reduce {task}, {count} candidates", reduce
            yield f"respond {task}, {count} candidates", answer


def timed(work: Work, seconds: float) -> tuple[float, float]:
    """Return the CPU seconds of the quickest round, and page faults per round."""
    for _ in range(3):
        work()
    best, rounds, faults = float("inf"), 0, _faults()
    until = time.monotonic() + seconds
    while time.monotonic() < until or not rounds:
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
        rounds += 1
    return best, (_faults() - faults) / rounds


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each line")
    parser.add_argument("--side", type=int, default=640, help="of the network's input")
    wanted = parser.parse_args()
    as_a_worker()
    print("| work | ms | page faults |\n|---|---|---|")
    for group in (preparations(wanted.side), answers()):
        for name, work in group:
            best, faults = timed(work, wanted.seconds)
            print(f"| {name} | {best * 1e3:.3f} | {faults:.0f} |", flush=True)


if __name__ == "__main__":
    main()
