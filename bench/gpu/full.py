"""The whole server on a machine with a GPU, beside what its parts can do.

    python -m bench.gpu.full [--models DIR] [--model ID] [--seconds 15] [--concurrency 32,128,256]
        [--json FILE] [-- SERVE OPTIONS]

Runs ``parallax bench --ceiling`` and samples ``nvidia-smi`` beside it. Without --models it writes a
YOLOv8n with random weights. Prints images/s of each load, its ratio to the lower of what the cores
can decode and what the device can run, and how busy the device was. Takes about two minutes.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import networks

FIELDS = ("utilization.gpu", "memory.used", "power.draw", "clocks.sm")


@contextlib.contextmanager
def watched(path: Path) -> Iterator[None]:
    """Let ``nvidia-smi``, if there is one, write a line of figures to a file twice a second."""
    program = shutil.which("nvidia-smi")
    if program is None:
        yield
        return
    asked = [f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits", "-lms", "500"]
    with path.open("w") as file, subprocess.Popen([program, *asked], stdout=file) as sampler:
        try:
            yield
        finally:
            sampler.terminate()


def device_line(path: Path) -> str:
    """Return what the samples say of the device."""
    rows = [line.split(",") for line in path.read_text().splitlines()] if path.exists() else []
    whole = [row for row in rows if len(row) == len(FIELDS)]
    if not whole:
        return "no nvidia-smi: the device was not watched"
    said = []
    for name, column in zip(FIELDS, zip(*whole, strict=True), strict=True):
        numbers = [float(text) for text in column if text.strip().replace(".", "", 1).isdigit()]
        if numbers:
            said.append(f"{name} {statistics.median(numbers):.0f} (most {max(numbers):.0f})")
    return "device, median over the whole run: " + ", ".join(said)


def show(report: dict[str, Any]) -> None:
    """Print the ceiling, and each load with its ratio to it."""
    ceiling = report["ceiling"]
    parts = ", ".join(f"{name} {rate:.0f}" for name, rate in ceiling.get("parts", {}).items())
    print(f"ceiling: {ceiling['images_per_s']:.0f} images/s, bound by {ceiling['binds']} ({parts})")
    for phase in report["phases"]:
        rate, latency = phase["images_per_s"], phase["latency_ms"]
        print(
            f"{phase['concurrency']} in flight: {rate:.0f} images/s = "
            f"{rate / ceiling['images_per_s']:.2f} of the ceiling; "
            f"p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms; "
            f"mean batch {phase.get('mean_batch') or 0:.1f}; errors {phase['errors']}"
        )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--concurrency", default="32,128,256")
    parser.add_argument("--json", type=Path, help="Where to keep the report.")
    parser.add_argument("serve", nargs="*", help="Options of the server, after --.")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="parallax-full-") as folder:
        models = options.models or Path(folder) / "models"
        if options.models is None:
            networks.write("yolov8n", models)
        kept = (options.json or Path(folder) / "report.json").absolute()
        command = [sys.executable, "-m", "parallax", "bench", "--ceiling", "--json", str(kept)]
        command += ["--concurrency", options.concurrency, "--duration", str(options.seconds)]
        command += ["--model", options.model] if options.model else []
        command += ["--", "--models", str(models), "--redis-port", "0", *options.serve]
        samples = Path(folder) / "device.csv"
        with watched(samples):
            ended = subprocess.run(command, check=False)
        if not kept.exists():
            raise SystemExit(ended.returncode or 1)
        show(json.loads(kept.read_text()))
        print(device_line(samples))
        raise SystemExit(ended.returncode)


if __name__ == "__main__":
    main()
