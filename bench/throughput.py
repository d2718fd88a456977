"""Images per second of a server, beside what the same stages do in process on one core.

    python bench/throughput.py [--model demo] [--models DIR] [--clients 1,8] [--seconds 10]

Starts ``parallax serve`` on a free port, sends generated scenes as JPEG from client processes that
reuse their connections (closed loop), and prints images/s and latency. The reference runs decode +
letterbox, session (one thread) and response in one process, without HTTP; its figure times the
number of cores is the ceiling that a server on these cores could reach with no overhead at all.
"""

import argparse
import base64
import http.client
import io
import json
import multiprocessing
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from parallax.contract import messages
from parallax.demo import scenes
from parallax.engine import device as devices
from parallax.engine import session as sessions
from parallax.models import catalog
from parallax.models.families import heads
from parallax.stages import pre
from parallax.stages.post import respond

SIZES = [(640, 480), (1280, 720), (1920, 1080)]


def pictures() -> list[bytes]:
    """Return scenes of mixed sizes, encoded as cameras do."""
    encoded = []
    for seed in range(9):
        stream = io.BytesIO()
        scenes.generate(seed, SIZES[seed % 3]).image.save(stream, "JPEG", quality=90)
        encoded.append(stream.getvalue())
    return encoded


def reference(models: list[Path], name: str, seconds: float) -> float:
    """Return images/s of all stages in this process, one after the other."""
    with tempfile.TemporaryDirectory() as cache:
        found = catalog.prepare(models, Path(cache), 1, 0.0)
        model = next(each for each in found.specs if each.id == name)
        session = sessions.Session(model, devices.Device("cpu"))
        session.warm_up()
        out = np.empty((model.input.height, model.input.width, 3), np.uint8)
        params, options = messages.DetectionParams(), messages.ImageOptions()
        work = pictures()
        done, started = 0, time.monotonic()
        while time.monotonic() - started < seconds:
            picture = work[done % len(work)]
            geometry = pre.prepare(picture, options, model.input, 178_000_000, out)
            outputs = session.run(out[np.newaxis])
            reduced = heads.reduce(model, [each[0] for each in outputs], params)
            respond.respond(reduced, model, params, geometry)
            done += 1
        return done / (time.monotonic() - started)


def bodies(model: str) -> list[bytes]:
    """Return the pictures as request bodies."""
    images = [
        {"type": "base64", "value": base64.b64encode(picture).decode()} for picture in pictures()
    ]
    return [json.dumps({"model_id": model, "image": image}).encode() for image in images]


def client(
    port: int, content: list[bytes], until: float, latencies: "multiprocessing.Queue[list[float]]"
) -> None:
    """Send one picture after the other until ``until`` (monotonic seconds)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken: list[float] = []
    while (started := time.monotonic()) < until:
        body = content[len(taken) % len(content)]
        connection.request("POST", "/infer/object_detection", body)
        response = connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            raise SystemExit(f"status {response.status}")
        taken.append(time.monotonic() - started)
    latencies.put(taken)


def load(port: int, content: list[bytes], clients: int, seconds: float) -> list[float]:
    """Return the latencies of a closed loop of ``clients``, in seconds."""
    queue: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    until = time.monotonic() + seconds
    processes = [
        multiprocessing.Process(target=client, args=(port, content, until, queue))
        for _ in range(clients)
    ]
    for process in processes:
        process.start()
    taken = [latency for _ in processes for latency in queue.get()]
    for process in processes:
        process.join()
    return taken


def measure(port: int, model: str, clients: list[int], seconds: float) -> None:
    """Load a server with each number of clients and print a line for each."""
    content = bodies(model)
    load(port, content, 2, 1.0)
    for count in clients:
        started = time.monotonic()
        taken = load(port, content, count, seconds)
        rate = len(taken) / (time.monotonic() - started)
        p50, p99 = (statistics.quantiles(taken, n=100)[index] for index in (49, 98))
        print(
            f"{count} clients: {rate:.1f} images/s, p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms"
        )


def main() -> None:
    """Measure the stages alone, then a server, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--models", type=Path, action="append", default=[])
    parser.add_argument("--clients", default="1,8")
    parser.add_argument("--seconds", type=float, default=10.0)
    wanted = parser.parse_args()
    single = reference(wanted.models, wanted.model, wanted.seconds)
    print(f"in process, one core: {single:.1f} images/s")
    folders = [part for folder in wanted.models for part in ("--models", str(folder))]
    command = [sys.executable, "-m", "parallax", "serve", "--port", "0", "--redis-port", "0"]
    with subprocess.Popen([*command, *folders], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        ready = next(line for line in server.stderr if line.startswith("ready"))
        try:
            port = int(re.findall(r":(\d+) ", ready)[0])
            measure(port, wanted.model, [int(n) for n in wanted.clients.split(",")], wanted.seconds)
        finally:
            server.terminate()
            server.stderr.read()


if __name__ == "__main__":
    main()
