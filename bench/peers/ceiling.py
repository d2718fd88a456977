"""What these cores can do of the common work without any server: a process per core, each does all
of it, one picture after the other. Prints images per second of all together."""

import argparse
import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from bench.peers import work

_context = multiprocessing.get_context("spawn")


def count(model: Path, pictures: list[bytes], seconds: float, ready: Barrier) -> tuple[int, float]:
    """Return how many pictures one process answered, and in how many seconds."""
    network = work.Network(model)
    for picture in pictures:
        network(picture)
    ready.wait(60)
    done, started = 0, time.monotonic()
    while (taken := time.monotonic() - started) < seconds:
        network(pictures[done % len(pictures)])
        done += 1
    return done, taken


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    pictures = [path.read_bytes() for path in sorted(options.pictures.glob("*.jpg"))]
    with _context.Manager() as manager, _context.Pool(options.workers) as pool:
        ready = manager.Barrier(options.workers)
        job = (options.model, pictures, options.seconds, ready)
        found = pool.starmap(count, [job] * options.workers, chunksize=1)
    print(sum(done / taken for done, taken in found))


if __name__ == "__main__":
    main()
