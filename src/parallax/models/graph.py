"""Appending and prepending nodes to an ONNX graph, whatever its opset and IR version.

The few operations that families need are spelled out here once, with the differences between opset
versions, so that a family reads like arithmetic. Constants are nodes and not initializers, because
before IR version 4 an initializer also had to be a graph input.
"""

import graphlib
import heapq
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from parallax.models.families import base

MIN_OPSET = 11
"""First opset with TopK and Slice by input and with GatherElements."""

_GATHER_ND_KNOWS_BATCHES = 12
"""From this opset on, GatherND copies whole rows of each item: five times as fast as elements."""

_AXES_ARE_AN_INPUT = 18
"""From this opset on, ReduceMax takes its axes as an input."""


def opset(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a model uses; 0 when it names none."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


def in_order(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return nodes so that each comes after those whose results it takes, else in their order.

    The format demands it and ONNX Runtime does not, so files are about that break the rule: tools
    that convert to half precision append their casts at the end.

    Raises:
        ValueError: they take each other's results in a ring.
    """
    makers = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    sorter = graphlib.TopologicalSorter(
        {
            at: {makers[name] for name in _taken(node) if name in makers}
            for at, node in enumerate(nodes)
        }
    )
    sorter.prepare()
    ready, order = list(sorter.get_ready()), []
    heapq.heapify(ready)
    while ready:
        first = heapq.heappop(ready)
        order.append(nodes[first])
        sorter.done(first)
        for at in sorter.get_ready():
            heapq.heappush(ready, at)
    return order


def _taken(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node takes, by its branches too."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from (output.name for output in graph.output)
            for inner in graph.node:
                yield from _taken(inner)


class Builder:
    """Collects new nodes; implements ``families.base.Ops`` and what fusing needs besides."""

    def __init__(self, opset_version: int, prefix: str = base.PREFIX) -> None:
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

    def subtract(self, a: str, b: str) -> str:
        """Return a - b, broadcast."""
        return self._node("Sub", [a, b])

    def exponential(self, a: str) -> str:
        """Return e to the power of a."""
        return self._node("Exp", [a])

    def sigmoid(self, a: str) -> str:
        """Return 1 / (1 + exp(-a))."""
        return self._node("Sigmoid", [a])

    def softmax(self, a: str, axis: int) -> str:
        """Return exp(a) / sum(exp(a)) along the last axis.

        Before opset 13 the operator joined all axes from ``axis`` on; of the last one that is the
        same.
        """
        return self._node("Softmax", [a], axis=axis)

    def transpose(self, a: str, order: Sequence[int]) -> str:
        """Return a with its axes in this order."""
        return self._node("Transpose", [a], perm=list(order))

    def cut(self, a: str, axis: int, start: int, end: int) -> str:
        """Return a[start:end] along an axis."""
        return self._node("Slice", [a, *(self._integers(n) for n in (start, end, axis))])

    def join(self, values: Sequence[str], axis: int) -> str:
        """Return the values one after the other along an axis."""
        return self._node("Concat", values, axis=axis)

    def reshape(self, a: str, shape: Sequence[int]) -> str:
        """Return a with this shape; 0 stands for the size that the same axis of a has."""
        return self._node("Reshape", [a, self._integers(*shape)])

    def expand(self, a: str, shape: Sequence[int]) -> str:
        """Return a, broadcast against this shape."""
        return self._node("Expand", [a, self._integers(*shape)])

    def resize(self, a: str, height: int, width: int) -> str:
        """Return planes (N, C, h, w) resampled bilinearly, pixel centres at half numbers."""
        leading = self._node("Shape", [a])
        leading = self.cut(leading, axis=0, start=0, end=2)
        sizes = self.join([leading, self._integers(height, width)], axis=0)
        unused = self.constant(np.empty(0, np.float32))
        return self._node(
            "Resize",
            [a, unused, unused, sizes],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def to_bytes(self, a: str) -> str:
        """Return a as uint8, truncated."""
        return self.cast(a, np.uint8)

    def cast(self, a: str, dtype: type[np.generic]) -> str:
        """Return a with another element type."""
        return self._node("Cast", [a], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def take(self, a: str, indices: Sequence[int], axis: int) -> str:
        """Return the given positions of an axis, in the given order."""
        return self._node("Gather", [a, self._integers(*indices)], axis=axis)

    def largest(self, a: str, axis: int) -> tuple[str, str]:
        """Return the maximum along an axis, which is kept, and its position, as float32."""
        if self._opset >= _AXES_ARE_AN_INPUT:
            value = self._node("ReduceMax", [a, self._integers(axis)], keepdims=1)
        else:
            value = self._node("ReduceMax", [a], axes=[axis], keepdims=1)
        position = self._node("ArgMax", [a], axis=axis, keepdims=1)
        return value, self.cast(position, np.float32)

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
        if self._opset >= _GATHER_ND_KNOWS_BATCHES:
            return self._node("GatherND", [table, rows], batch_dims=1)
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
