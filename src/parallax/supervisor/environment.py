"""What all children inherit; set before the fork server starts."""

import contextlib
import os
from pathlib import Path

from parallax.aio import malloc

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def prepare(metrics_directory: Path) -> None:
    """Pin the thread pools of numeric libraries to one thread (a worker per core is enough), tune
    malloc, and say where the processes keep their share of the metrics."""
    environment = os.environ  # noqa: TID251 - for the children; nothing is read from it here
    for name in _ONE_THREAD:
        environment.setdefault(name, "1")
    for name, value in malloc.VARIABLES.items():
        environment.setdefault(name, value)
    # ONNX Runtime 1.31 otherwise keeps a database of events for its maker in the user's cache.
    environment["ORT_DISABLE_TELEMETRY"] = "1"
    environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_directory)
    _let_each_other_finish()


def _let_each_other_finish() -> None:
    """Let a process that wakes up wait for its turn, rather than interrupt another at its work.

    A picture wakes each stage in turn. On busy cores an interruption at each of these steps costs
    caches, and entries that could have travelled together; on an idle core nothing changes.
    """
    with contextlib.suppress(AttributeError, OSError):  # not Linux, or forbidden by the container
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
