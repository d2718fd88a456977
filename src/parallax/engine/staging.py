"""Memory of an accelerator's runs on the host, bound once per batch size and used again.

Pictures are copied once, from shared memory into a batch that is already padded, and large outputs
land in memory that is already there. Each run in flight has a place of its own, so that one is
filled while another computes. The memory is pageable: ONNX Runtime offers no other from Python.
"""

import queue
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from parallax.contract import spec

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class Staging:
    """Runs a fused graph from and to memory that is bound to it; several threads may do so."""

    def __init__(self, session: onnxruntime.InferenceSession, model: spec.ModelSpec) -> None:
        self._session = session
        self._model = model
        self._free: dict[int, queue.SimpleQueue[_Place]] = {}

    def run(
        self, tensors: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], size: int
    ) -> list[NDArray[Any]]:
        """Run pictures of (height, width, 3) as a batch of ``size``, padded with zeros.

        Returns:
            One array per output, the caller's own; its first axis may be longer than the pictures.

        Raises:
            Exception: whatever ONNX Runtime raises.
        """
        free = self._free.setdefault(size, queue.SimpleQueue())
        try:
            place = free.get_nowait()
        except queue.Empty:
            place = _Place(self._session, self._model, size)
        try:
            return place.run(tensors)
        finally:
            free.put(place)


class _Place:
    """Input and outputs of one run in flight."""

    def __init__(
        self, session: onnxruntime.InferenceSession, model: spec.ModelSpec, size: int
    ) -> None:
        self._session = session
        self._pixels = np.zeros((size, model.input.height, model.input.width, 3), np.uint8)
        self._filled = 0
        self._binding = session.io_binding()
        value = onnxruntime.OrtValue.ortvalue_from_numpy(self._pixels)
        self._binding.bind_ortvalue_input(model.input_name, value)
        told = {output.name: output for output in session.get_outputs()}
        self._rooms: list[NDArray[Any] | None] = []
        for name in model.output_names:
            shape = _shape(told[name].shape, size)
            dtype = _DTYPES.get(told[name].type)
            if shape is None or dtype is None:
                self._rooms.append(None)
                self._binding.bind_output(name)  # of a size that only the run knows
                continue
            room = np.zeros(shape, dtype)
            self._rooms.append(room)
            bound = onnxruntime.OrtValue.ortvalue_from_numpy(room)
            self._binding.bind_ortvalue_output(name, bound)

    def run(self, tensors: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> list[NDArray[Any]]:
        count = len(tensors)
        for row, tensor in zip(self._pixels, tensors, strict=False):
            row[...] = tensor
        self._pixels[count : self._filled] = 0
        self._filled = count
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return [
            value.numpy() if room is None else room[:count].copy()
            for room, value in zip(self._rooms, self._binding.get_outputs(), strict=True)
        ]


def _shape(told: Sequence[int | str | None], size: int) -> tuple[int, ...] | None:
    """Return the shape of an output for a batch; None where more than its first axis is open."""
    first, *rest = told or [None]
    if not rest or not all(isinstance(axis, int) for axis in rest):
        return None
    if isinstance(first, int) and first != size:
        return None
    return (size, *(int(axis) for axis in rest if axis is not None))
