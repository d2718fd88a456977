"""Opens ONNX files on devices: options, providers, and one copy of the weights for all CPU sessions
of a model.

ONNX Runtime optimises a graph for the processor while it opens it, and each session then keeps
weights of its own. So the graph is opened once for its optimised form to be written down, weights
apart, and opened from there as often as it is needed: the weights are then mapped, and one set of
pages serves all sessions. The files are gone when this returns; the mappings last.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from parallax.contract import errors
from parallax.engine import device as devices

log = logging.getLogger(__name__)

ERRORS_ONLY = 3

_GRAPH, _WEIGHTS = "graph.onnx", "weights.bin"

_SMALLEST_WEIGHT = "1024"
"""Bytes from which on a constant is written beside the graph."""


@dataclass(frozen=True, slots=True)
class Means:
    """With what a model is run, beside the device."""

    cores: int = 1
    """CPUs that a run may take when nothing else needs them (on the CPU only)."""
    run_threads: int = 1
    """That a run takes in any case (on the CPU only)."""
    cpu_max_batch: int = 1
    """Items in one run at most (on the CPU only)."""
    provider: str = "auto"
    """Of an accelerator: ``cuda`` or ``tensorrt``; auto: cuda."""
    scratch: Path | None = None
    """Folder for files that are needed while a model loads; None: the system's."""
    cache: Path | None = None
    """Folder for what a provider builds and uses again at the next start."""


def open_cpu(
    graph: str, threads: Sequence[int], scratch: Path | None = None
) -> list[onnxruntime.InferenceSession]:
    """Return a session on the CPU for each number of threads per run; they share their weights.

    Args:
        graph: path of the ONNX file.
        threads: per session.
        scratch: folder for files that are needed for the moment; default: the system's.

    Raises:
        Exception: whatever ONNX Runtime raises about the graph.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="parallax-", dir=scratch) as folder:
            optimised = Path(folder) / _GRAPH
            _write_optimised(graph, optimised)
            return [_open(str(optimised), _ready_made(count)) for count in threads]
    except Exception as problem:  # noqa: BLE001 - a full disk, or a graph that cannot be written
        log.debug("%s: its sessions share no weights: %s", graph, problem)
    return [_open(graph, cpu_options(count)) for count in threads]


def cpu_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of a session whose runs take this many threads."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that spins while it waits takes a core from the other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_accelerated(
    graph: str, device: devices.Device, means: Means
) -> onnxruntime.InferenceSession:
    """Return a session on an accelerator.

    Raises:
        StartupError: the wanted provider could not be started.
        Exception: whatever ONNX Runtime raises about the graph or the device.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    wanted = providers(device, means)
    session = onnxruntime.InferenceSession(graph, options, providers=wanted)
    name, _ = wanted[0]
    if name not in session.get_providers():
        needed = "TensorRT 10" if means.provider == "tensorrt" else "cuDNN 9"
        raise errors.StartupError(
            f"device {device}: {name} could not be started; check the driver, CUDA 13 and {needed}"
        )
    return session


def providers(device: devices.Device, means: Means) -> list[tuple[str, dict[str, Any]]]:
    """Return what may run the nodes of a graph on an accelerator, the wanted provider first."""
    # Growing by powers of two doubles the arena at the worst moment; grow by what is asked for.
    cuda = {"device_id": device.index, "arena_extend_strategy": "kSameAsRequested"}
    found: list[tuple[str, dict[str, Any]]] = [
        ("CUDAExecutionProvider", cuda),
        ("CPUExecutionProvider", {}),
    ]
    if means.provider == "tensorrt":
        built: dict[str, Any] = {"device_id": device.index}
        if means.cache is not None:
            folder = str(means.cache / "tensorrt")
            built |= {
                "trt_engine_cache_enable": True,
                "trt_engine_cache_path": folder,
                "trt_timing_cache_enable": True,
                "trt_timing_cache_path": folder,
            }
        found.insert(0, ("TensorrtExecutionProvider", built))
    return found


def _write_optimised(graph: str, path: Path) -> None:
    options = cpu_options(1)
    options.optimized_model_filepath = str(path)
    for entry, value in (("file_name", _WEIGHTS), ("min_size_in_bytes", _SMALLEST_WEIGHT)):
        name = f"session.optimized_model_external_initializers_{entry}"
        options.add_session_config_entry(name, value)
    _open(graph, options)


def _ready_made(threads: int) -> onnxruntime.SessionOptions:
    options = cpu_options(threads)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def _open(path: str, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
