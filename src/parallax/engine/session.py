"""A model loaded on a device.

On a CPU a run takes one thread: several of them in flight use the cores better than one that takes
many. Only a run that has all cores to itself may take more of them, if that was measured to be
faster. On CUDA the batch is padded to one of a few sizes that were warmed up, because each new
shape costs planning and memory there.
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
from parallax.engine import runtime, staging
from parallax.models import plain
from parallax.policy import width

log = logging.getLogger(__name__)

MOST_THREADS = 8
"""Of one run: the operators of a vision network at batch 1 hardly use more."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory|failed to allocate|alloc_failed|smaller than requested bytes", re.IGNORECASE
)
"""How ONNX Runtime, cuDNN and cuBLAS say it; there is no error class for it."""

_DEFAULT = runtime.Means()

Pictures = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
"""Of (height, width, 3), uint8 RGB: one by one, or along the first axis of one array."""

Outputs = list[NDArray[Any]]
"""One array per graph output; the first axis is the batch."""


class OutOfDeviceMemoryError(Exception):
    """The device has no memory for a batch of this size; a smaller one may fit."""


class Session:
    """Runs one model; ``run`` may be called from several threads at once."""

    def __init__(
        self, model: spec.ModelSpec, device: devices.Device, means: runtime.Means = _DEFAULT
    ) -> None:
        """Load a model.

        Raises:
            ModelRefusedError: ONNX Runtime cannot load it.
            StartupError: the device cannot be used.
        """
        self.model = model
        self._device = device
        self._sizes = batch_sizes(model.batch, device, means.cpu_max_batch)
        self._wide: onnxruntime.InferenceSession | None = None
        self._trial = width.Trial()
        self._staging: staging.Staging | None = None
        self.warm_seconds = 0.0
        """What the last run of ``warm_up`` took; 0 before it."""
        try:
            if device.kind == "cpu":
                threads = sorted({means.run_threads, _alone_threads(means)})
                self._session, *wide = runtime.open_cpu(model.graph, threads, means.scratch)
                self._wide = wide[0] if wide else None
            else:
                self._session = runtime.open_accelerated(model.graph, device, means)
                self._staging = None if model.plain else staging.Staging(self._session, model)
        except errors.ParallaxError:
            raise
        except Exception as problem:
            raise errors.ModelRefusedError(
                f"{model.source}: ONNX Runtime cannot load it: {_explain(problem, device)}"
            ) from problem

    @property
    def in_turn(self) -> bool:
        """Whether items run one by one, because the device gains nothing by batches."""
        return not self._device.batches and self.max_batch == 1

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
        one = np.zeros((1, *shape), np.uint8)
        try:
            for size in reversed(self._sizes):
                self._run(self._session, np.zeros((size, *shape), np.uint8))
            if self._wide is not None:
                self._run(self._wide, one)
            started = time.monotonic()
            self._run(self._session, one)
        except Exception as problem:
            raise errors.ModelRefusedError(
                f"{self.model.source}: it loads but fails to run: {_explain(problem, self._device)}"
            ) from problem
        self.warm_seconds = time.monotonic() - started
        return self.warm_seconds

    def run(self, tensors: Pictures, *, alone: bool = False) -> Outputs:
        """Run pictures as a batch; at most ``max_batch``.

        ``alone`` says that nothing else needs the cores: the run takes several where that is
        worth it.

        Returns:
            One array per output, with a row for each picture.

        Raises:
            OutOfDeviceMemoryError: the device cannot hold this batch.
            ModelFailedError: an output has not just one row for each item.
            Exception: whatever else ONNX Runtime raises.
        """
        if not alone or self._wide is None:
            return self._run(self._session, tensors)
        wide = self._trial.choose()
        started = time.monotonic()
        outputs = self._run(self._wide if wide else self._session, tensors)
        if self._trial.learn(wide, time.monotonic() - started):
            cores = "several cores" if self._trial.worth else "one core"
            log.info("%s: a request that comes alone runs on %s", self.model.id, cores)
        return outputs

    def _run(self, session: onnxruntime.InferenceSession, tensors: Pictures) -> Outputs:
        count = len(tensors)
        size = self.model.batch.fixed_size or _at_least(self._sizes, count)
        try:
            if self._staging is not None:
                outputs = self._staging.run(tensors, size)
            else:
                feed = {self.model.input_name: self._input(tensors, size)}
                outputs = session.run(list(self.model.output_names), feed)
        except Exception as problem:
            if _OUT_OF_MEMORY.search(str(problem)):
                raise OutOfDeviceMemoryError(_first_line(problem)) from problem
            raise
        for output in outputs:
            # Also not with more rows than items: with padding, one that is missing shifts others.
            if output.ndim == 0 or len(output) != size:
                raise errors.ModelFailedError(
                    "the model returned another number of rows than the batch has items"
                )
        return [output[:count] for output in outputs]

    def _input(self, tensors: Pictures, size: int) -> NDArray[Any]:
        batch = _stack(tensors, size)
        return plain.to_network_input(batch, self.model.plain) if self.model.plain else batch


def batch_sizes(batch: spec.BatchSpec, device: devices.Device, cpu_max_batch: int = 1) -> list[int]:
    """Return the batch sizes that are run on a device, ascending: 1, 2, 4, ... up to the model's
    limit, and on a CPU to that of the CPU."""
    if batch.fixed_size is not None:
        return [batch.fixed_size]
    most = batch.max_size if device.batches else min(batch.max_size, cpu_max_batch)
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(sizes[-1] * 2, most))
    return sizes


def _alone_threads(means: runtime.Means) -> int:
    """Return the threads of a run beside which there is none."""
    return max(means.run_threads, min(means.cores, MOST_THREADS))


def load_device_libraries(device: devices.Device) -> None:
    """Load CUDA and cuDNN from their wheels, if they are installed that way."""
    # Warnings of the runtime's own go past our log, in colours.
    onnxruntime.set_default_logger_severity(runtime.ERRORS_ONLY)
    if device.kind != "cuda":
        return
    with contextlib.redirect_stdout(io.StringIO()) as said:
        onnxruntime.preload_dlls()
    for line in said.getvalue().splitlines():
        log.warning("%s", line)


def _stack(tensors: Pictures, size: int) -> NDArray[np.uint8]:
    """Return the tensors as one batch, padded with zeros; a batch of one is not copied."""
    if len(tensors) == size == 1:
        return tensors[0][np.newaxis]
    batch = np.zeros((size, *tensors[0].shape), np.uint8)
    for row, tensor in zip(batch, tensors, strict=False):
        row[...] = tensor
    return batch


def _at_least(sizes: Sequence[int], count: int) -> int:
    return next((size for size in sizes if size >= count), sizes[-1])


def _explain(problem: Exception, device: devices.Device) -> str:
    said = _first_line(problem)
    if isinstance(problem, OutOfDeviceMemoryError) or _OUT_OF_MEMORY.search(str(problem)):
        return f"{device} has no memory left for it beside what is loaded there ({said})"
    return said


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
