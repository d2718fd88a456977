"""Appending and prepending nodes to an ONNX graph, whatever its opset and IR version.

The few operations that families need are spelled out here once, with the differences between opset
versions, so that a family reads like arithmetic. Constants are nodes and not initializers, because
before IR version 4 an initializer also had to be a graph input.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PREFIX = "parallax/"
"""Starts the name of everything added, so that it cannot collide with the model's own names."""

MIN_OPSET = 11
"""First opset with TopK and Slice by input and with GatherElements."""

_AXES_ARE_AN_INPUT = 18
"""From this opset on, ReduceMax takes its axes as an input."""


def opset(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a model uses; 0 when it names none."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


class Builder:
    """Collects new nodes; implements ``families.base.Graph`` and what fusing needs besides."""

    def __init__(self, opset_version: int, prefix: str = PREFIX) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._opset = opset_version
        self._prefix = prefix
        self._numbers = itertools.count()

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Return a tensor with this content."""
        return self._node(
            "Constant", [], value=numpy_helper.from_array(np.ascontiguousarray(array))
        )

    def add(self, a: str, b: str) -> str:
        """Return a + b, broadcast."""
        return self._node("Add", [a, b])

    def multiply(self, a: str, b: str) -> str:
        """Return a * b, broadcast."""
        return self._node("Mul", [a, b])

    def exponential(self, a: str) -> str:
        """Return e to the power of a."""
        return self._node("Exp", [a])

    def transpose(self, a: str, order: Sequence[int]) -> str:
        """Return a with its axes in this order."""
        return self._node("Transpose", [a], perm=list(order))

    def cut(self, a: str, axis: int, start: int, end: int) -> str:
        """Return a[start:end] along an axis."""
        return self._node("Slice", [a, *(self._integers(n) for n in (start, end, axis))])

    def join(self, values: Sequence[str], axis: int) -> str:
        """Return the values one after the other along an axis."""
        return self._node("Concat", values, axis=axis)

    def cast(self, a: str, dtype: type[np.generic]) -> str:
        """Return a with another element type."""
        return self._node("Cast", [a], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def take(self, a: str, indices: Sequence[int], axis: int) -> str:
        """Return the given positions of an axis, in the given order."""
        return self._node("Gather", [a, self._integers(*indices)], axis=axis)

    def largest(self, a: str, axis: int) -> tuple[str, str]:
        """Return the maximum along an axis, which is kept, and its int64 position."""
        if self._opset >= _AXES_ARE_AN_INPUT:
            value = self._node("ReduceMax", [a, self._integers(axis)], keepdims=1)
        else:
            value = self._node("ReduceMax", [a], axes=[axis], keepdims=1)
        return value, self._node("ArgMax", [a], axis=axis, keepdims=1)

    def rank(self, a: str, count: int, axis: int) -> str:
        """Return the int64 positions of the ``count`` largest along an axis, largest first."""
        inputs = [a, self._integers(count)]
        values, indices = self._name("Best"), self._name("TopK")
        self.nodes.append(
            helper.make_node(
                "TopK", inputs, [values, indices], name=indices, axis=axis, largest=1, sorted=1
            )
        )
        return indices

    def pick_rows(self, table: str, rows: str, columns: int) -> str:
        """Return table[n, rows[n, k, 0], :] for a table (N, A, columns) and rows (N, K, 1)."""
        spread = self._node("Expand", [rows, self._integers(1, 1, columns)])
        return self._node("GatherElements", [table, spread], axis=1)

    def rename(self, a: str, name: str) -> None:
        """Give a tensor a public name."""
        self.nodes.append(helper.make_node("Identity", [a], [name], name=self._name("Identity")))

    def _integers(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def _name(self, kind: str) -> str:
        return f"{self._prefix}{kind}_{next(self._numbers)}"

    def _node(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        result = self._name(kind)
        self.nodes.append(helper.make_node(kind, inputs, [result], name=result, **attributes))
        return result
