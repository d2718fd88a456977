"""What every server of the comparison is told. Processes that a server spawns read it again: the
spawning methods of ``multiprocessing`` hand ``sys.argv`` on."""

import argparse
from pathlib import Path


class Arguments(argparse.Namespace):
    """The options; a server's own may follow."""

    model: Path
    port: int
    workers: int
    """Processes, or workers of each stage; usually the number of cores."""
    threads: int
    """Of each process, where the server has such a thing."""


def parse() -> Arguments:
    """Return the options of this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="ONNX file")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    found, _ = parser.parse_known_args(namespace=Arguments())
    return found
