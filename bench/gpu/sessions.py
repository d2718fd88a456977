"""A model's session alone: pictures per second by provider, precision, batch and runs in flight.

    python -m bench.gpu.sessions [--models DIR] [--model ID] [--device cuda:0] [--batches 1,4,16]
        [--providers cuda,tensorrt] [--precisions fp32,fp16] [--seconds 2] [--budget 420]

Tensors go in and candidates come out; no picture is decoded. Without --models it writes a YOLOv8n
with random weights first. fp16 is the network converted by ONNX Runtime's tool before
it is fused: the server does not do that by itself, and this says whether it should.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.transformers import float16

from bench import networks
from parallax.contract import errors, spec
from parallax.demo import scenes
from parallax.engine import device as devices
from parallax.engine import runtime
from parallax.engine import session as sessions
from parallax.models import catalog

BATCHES = (1, 2, 4, 8, 16, 32, 64)
IN_FLIGHT = (1, 2)
ROW = 6
"""Columns of a candidate: box, score, class."""
SHOWN = 8
"""Scenes that precisions are compared on."""


@dataclass(frozen=True)
class Way:
    """One way to run a model."""

    provider: str
    precision: str
    batch: int


@dataclass(frozen=True)
class Measured:
    """What came of it; milliseconds of a batch with one run in flight."""

    way: Way
    milliseconds: float
    rates: dict[int, float]
    """Pictures per second by runs in flight."""

    @property
    def best(self) -> float:
        return max(self.rates.values())


def pictures(model: spec.ModelSpec, count: int) -> NDArray[np.uint8]:
    """Return scenes of the size of a model's input."""
    size = (model.input.width, model.input.height)
    made = [np.asarray(scenes.generate(seed, size).image) for seed in range(min(count, SHOWN))]
    return np.stack([made[index % len(made)] for index in range(count)])


def prepare(folders: Sequence[Path], name: str | None, cache: Path) -> spec.ModelSpec:
    """Return a model of these folders, fused; by default a YOLOv8n with random weights."""
    if not folders:
        networks.write("yolov8n", cache / "made")
    found = catalog.prepare(folders or [cache / "made"], cache, max(BATCHES), 0.0)
    for path, reason in found.refused:
        print(f"{path}: refused: {reason}")
    chosen = [each for each in found.specs if name in (None, each.id, *each.aliases)]
    if not chosen:
        raise SystemExit("there is no such model")
    return chosen[0]


def halved(model: spec.ModelSpec, folder: Path) -> spec.ModelSpec:
    """Return a model whose network computes in float16, between the same inputs and outputs."""
    source = Path(model.source)
    package = folder / "half" / "network" / "1"
    shutil.copytree(source.parent, package)
    made = float16.convert_float_to_float16(onnx.load(source), keep_io_types=True)
    onnx.save(made, package / source.name)
    return prepare([folder / "half"], None, folder)


def measure(
    model: spec.ModelSpec, device: devices.Device, way: Way, seconds: float, cache: Path
) -> Measured:
    """Run batches for a while."""
    fixed = spec.BatchSpec(way.batch, fixed_size=way.batch)
    sized = msgspec.structs.replace(model, batch=fixed)
    means = runtime.Means(provider=way.provider, cache=cache)
    session = sessions.Session(sized, device, means)
    session.warm_up()
    batch = list(pictures(model, way.batch))
    rates = {runs: _rate(session, batch, runs, seconds) for runs in IN_FLIGHT}
    return Measured(way, 1000.0 * way.batch / rates[1], rates)


def _rate(
    session: sessions.Session, batch: list[NDArray[np.uint8]], runs: int, seconds: float
) -> float:
    def work(until: float) -> int:
        done = 0
        while time.monotonic() < until:
            session.run(batch)
            done += len(batch)
        return done

    with ThreadPoolExecutor(runs) as threads:
        list(threads.map(lambda _: session.run(batch), range(2 * runs)))
        started = time.monotonic()
        counts = list(threads.map(work, [started + seconds] * runs))
        return sum(counts) / (time.monotonic() - started)


def differences(one: spec.ModelSpec, other: spec.ModelSpec, device: devices.Device) -> str:
    """Say how far the outputs of two forms of a model are apart on scenes."""
    shown = pictures(one, SHOWN)
    fixed = spec.BatchSpec(1, fixed_size=one.batch.fixed_size or 1)
    found = []
    for model in (one, other):
        session = sessions.Session(msgspec.structs.replace(model, batch=fixed), device)
        found.append([session.run(shown[index : index + 1]) for index in range(len(shown))])
    apart = [
        float(np.abs(_top(a) - _top(b)).max())
        for first, second in zip(*found, strict=True)
        for a, b in zip(first, second, strict=True)
    ]
    return f"largest difference of the best scores or values: {max(apart):.4f}"


def _top(output: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return what does not hang on the order of rows that are nearly equal."""
    values = output.astype(np.float64)
    rows = values.ndim == 3 and values.shape[2] >= ROW
    return values[0, :20, 4] if rows else values.reshape(-1)


def ways(options: argparse.Namespace, fixed: int | None) -> Iterator[Way]:
    """Yield the ways to measure, the most telling first."""
    batches = [fixed] if fixed else [int(text) for text in options.batches.split(",")]
    kinds = product(options.providers.split(","), options.precisions.split(","))
    for provider, precision in kinds:
        for batch in batches:
            yield Way(provider, precision, batch)


def table(measured: Sequence[Measured]) -> str:
    """Return the lines of a table in Markdown."""
    lines = [
        "| provider | precision | batch | ms | images/s, 1 run; 2 runs |",
        "|---|---|---|---|---|",
    ]
    for each in measured:
        rates = "; ".join(f"{rate:.0f}" for rate in each.rates.values())
        way = f"{each.way.provider} | {each.way.precision} | {each.way.batch}"
        lines.append(f"| {way} | {each.milliseconds:.2f} | {rates} |")
    return "\n".join(lines)


def run(options: argparse.Namespace, folder: Path) -> list[Measured]:
    """Measure all ways within the budget."""
    until = time.monotonic() + options.budget
    device = devices.parse(options.device)
    sessions.load_device_libraries(device)
    model = prepare(options.models, options.model, folder)
    forms = {"fp32": model}
    if "fp16" in options.precisions.split(","):
        forms["fp16"] = halved(model, folder)
        print("fp16:", differences(model, forms["fp16"], device), flush=True)
    measured = []
    for way in ways(options, model.batch.fixed_size):
        if time.monotonic() > until:
            print(f"the budget is spent before {way}")
            break
        try:
            found = measure(forms[way.precision], device, way, options.seconds, folder)
        except (errors.ParallaxError, sessions.OutOfDeviceMemoryError) as problem:
            print(f"{way}: {problem}", flush=True)
            continue
        measured.append(found)
        print(f"{way}: {found.best:.0f} images/s", flush=True)
    return measured


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, action="append", default=[])
    parser.add_argument("--model")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    parser.add_argument("--providers", default="cuda")
    parser.add_argument("--precisions", default="fp32,fp16")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--budget", type=float, default=420.0, help="Seconds for all.")
    return parser.parse_args()


def main() -> None:
    """Measure, and name the best."""
    with tempfile.TemporaryDirectory(prefix="parallax-sessions-") as folder:
        measured = run(arguments(), Path(folder))
    print(table(measured))
    if measured:
        best = max(measured, key=lambda each: each.best)
        print(f"best: {best.way}: {best.best:.0f} images/s, {best.milliseconds:.2f} ms a batch")


if __name__ == "__main__":
    main()
