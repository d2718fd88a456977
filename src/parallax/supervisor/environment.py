"""The environment that all children inherit; set before the fork server starts."""

import os
from pathlib import Path

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def prepare(metrics_directory: Path) -> None:
    """Pin the thread pools of numeric libraries to one thread (a worker per core is enough
    threads), and say where the processes keep their share of the metrics."""
    environment = os.environ  # noqa: TID251 - for the children; nothing is read from it here
    for name in _ONE_THREAD:
        environment.setdefault(name, "1")
    environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_directory)
