"""A model loaded on a device. The only module that knows ONNX Runtime.

On a CPU the runs of a session are single-threaded: several of them in flight use the cores better
than one multi-threaded run. On CUDA the batch is padded to one of a few sizes that were warmed up,
because each new shape costs planning and memory there.
"""

import contextlib
import io
import logging
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from parallax.contract import errors, spec
from parallax.engine import device as devices
from parallax.models import plain

log = logging.getLogger(__name__)

_ERRORS_ONLY = 3

_OUT_OF_MEMORY = re.compile(
    r"out of memory|failed to allocate|alloc_failed|smaller than requested bytes", re.IGNORECASE
)
"""How ONNX Runtime, cuDNN and cuBLAS say it; there is no error class for it."""

Outputs = list[NDArray[Any]]
"""One array per graph output; the first axis is the batch."""


class OutOfDeviceMemoryError(Exception):
    """The device has no memory for a batch of this size; a smaller one may fit."""


class Session:
    """Runs one model; ``run`` may be called from several threads at once."""

    def __init__(self, model: spec.ModelSpec, device: devices.Device) -> None:
        self.model = model
        self._device = device
        self._sizes = batch_sizes(model.batch, device)
        try:
            self._session = onnxruntime.InferenceSession(
                model.graph, _options(device), providers=_providers(device)
            )
        except Exception as problem:
            raise errors.ModelRefusedError(
                f"{model.source}: ONNX Runtime cannot load it: {_explain(problem, device)}"
            ) from problem
        wanted = _providers(device)[0]
        name = wanted[0] if isinstance(wanted, tuple) else wanted
        if name not in self._session.get_providers():
            raise errors.StartupError(
                f"device {device}: {name} could not be started; "
                "check the driver, CUDA 13 and cuDNN 9"
            )

    @property
    def max_batch(self) -> int:
        """Largest number of items in one run."""
        return self.model.batch.fixed_size or self._sizes[-1]

    def warm_up(self) -> float:
        """Run every batch size once on zeros; return the seconds of the last, warm run of one item.

        Raises:
            ModelRefusedError: the model cannot be run, or returns something of the wrong shape.
        """
        shape = (self.model.input.height, self.model.input.width, 3)
        try:
            for size in reversed(self._sizes):
                self.run(np.zeros((size, *shape), np.uint8))
            started = time.monotonic()
            self.run(np.zeros((1, *shape), np.uint8))
        except Exception as problem:
            raise errors.ModelRefusedError(
                f"{self.model.source}: it loads but fails to run: {_explain(problem, self._device)}"
            ) from problem
        return time.monotonic() - started

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """Run a batch of pictures, uint8 ``(n, height, width, 3)`` RGB; n at most ``max_batch``.

        Returns:
            One array per output, the first axis cut to n.

        Raises:
            OutOfDeviceMemoryError: the device cannot hold this batch.
            ModelFailedError: an output has no row for each item.
            Exception: whatever else ONNX Runtime raises.
        """
        count = len(batch)
        padded = _pad(batch, self.model.batch.fixed_size or _at_least(self._sizes, count))
        feed = plain.to_network_input(padded, self.model.plain) if self.model.plain else padded
        try:
            outputs = self._session.run(
                list(self.model.output_names), {self.model.input_name: feed}
            )
        except Exception as problem:
            if _OUT_OF_MEMORY.search(str(problem)):
                raise OutOfDeviceMemoryError(_first_line(problem)) from problem
            raise
        for output in outputs:
            if output.ndim == 0 or len(output) < count:
                raise errors.ModelFailedError(
                    "the model returned fewer rows than the batch has items"
                )
        return [output[:count] for output in outputs]


def batch_sizes(batch: spec.BatchSpec, device: devices.Device) -> list[int]:
    """Return the batch sizes that are run on a device, ascending: 1, 2, 4, ... up to the model's
    limit."""
    if batch.fixed_size is not None:
        return [batch.fixed_size]
    if not device.batches:
        return [1]
    sizes = [1]
    while sizes[-1] < batch.max_size:
        sizes.append(min(sizes[-1] * 2, batch.max_size))
    return sizes


def _options(device: devices.Device) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    if not device.batches:
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _providers(device: devices.Device) -> list[Any]:
    if device.kind == "cpu":
        return ["CPUExecutionProvider"]
    # Growing by powers of two doubles the arena at the worst moment; grow by what is asked for.
    cuda = {"device_id": device.index, "arena_extend_strategy": "kSameAsRequested"}
    return [("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]


def load_device_libraries(device: devices.Device) -> None:
    """Load CUDA and cuDNN from their wheels, if they are installed that way."""
    # Warnings of the runtime's own go past our log, in colours.
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    if device.kind != "cuda":
        return
    with contextlib.redirect_stdout(io.StringIO()) as said:
        onnxruntime.preload_dlls()
    for line in said.getvalue().splitlines():
        log.warning("%s", line)


def _pad(batch: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if len(batch) == size:
        return batch
    padding = np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)
    return np.concatenate([batch, padding])


def _at_least(sizes: Sequence[int], count: int) -> int:
    return next((size for size in sizes if size >= count), sizes[-1])


def _explain(problem: Exception, device: devices.Device) -> str:
    said = _first_line(problem)
    if isinstance(problem, OutOfDeviceMemoryError) or _OUT_OF_MEMORY.search(str(problem)):
        return f"{device} has no memory left for it beside what is loaded there ({said})"
    return said


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
