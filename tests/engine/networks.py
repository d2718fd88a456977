"""Tiny real networks whose answers are known by arithmetic."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from parallax.contract import spec

SIDE = 4
HUGE = 1 << 45


def sums(path: Path, batch: int | str = "n") -> Path:
    """uint8 NHWC to the sum of each picture's pixels, (n, 1)."""
    nodes = [_cast(), helper.make_node("ReduceSum", ["f", "hwc"], ["s"], keepdims=0), _column()]
    return _save(path, nodes, _pixels(batch), (batch, 1))


def plain_sums(path: Path) -> Path:
    """The same for a network of the usual kind: float32 NCHW."""
    nodes = [helper.make_node("ReduceSum", ["x", "hwc"], ["s"], keepdims=0), _column()]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, SIDE, SIDE))
    return _save(path, nodes, given, ("n", 1))


def one_row(path: Path) -> Path:
    """A network that returns one row whatever the batch."""
    everything = helper.make_node("ReduceSum", ["f"], ["s"], keepdims=0)
    nodes = [_cast(), everything, _column()]
    return _save(path, nodes, _pixels("n"), (1, 1))


def scalar(path: Path) -> Path:
    """A network that returns a number without a batch axis."""
    nodes = [_cast(), helper.make_node("ReduceSum", ["f"], ["y"], keepdims=0)]
    return _save(path, nodes, _pixels("n"), ())


def picky(path: Path) -> Path:
    """A network that fails at run time unless the batch has exactly two pictures."""
    nodes = [_cast(), helper.make_node("Reshape", ["f", "two"], ["y"])]
    return _save(path, nodes, _pixels("n"), (2, SIDE * SIDE * 3))


def greedy(path: Path) -> Path:
    """A network that asks for more memory than any machine has."""
    nodes = [
        _cast(),
        helper.make_node("ReduceSum", ["f", "hwc"], ["s"], keepdims=0),
        helper.make_node("Unsqueeze", ["s", "one"], ["column"]),
        helper.make_node("Shape", ["s"], ["rows"]),
        helper.make_node("Concat", ["rows", "huge"], ["target"], axis=0),
        helper.make_node("Expand", ["column", "target"], ["y"]),
    ]
    return _save(path, nodes, _pixels("n"), ("n", HUGE))


def model(
    path: Path,
    batch: spec.BatchSpec | None = None,
    plain: spec.PlainInput | None = None,
) -> spec.ModelSpec:
    """Return the spec of one of these networks."""
    return spec.ModelSpec(
        id="sums",
        version="v1",
        task="object-detection",
        family="yolov8",
        labels=("a",),
        input=spec.InputSpec(SIDE, SIDE),
        batch=batch or spec.BatchSpec(),
        graph=str(path),
        fused=plain is None,
        input_name="x",
        output_names=("y",),
        source=str(path),
        plain=plain,
    )


def pictures(count: int) -> NDArray[np.uint8]:
    """Return pictures of which each has another sum."""
    values = np.arange(1, count + 1, dtype=np.uint8)
    return np.broadcast_to(values[:, None, None, None], (count, SIDE, SIDE, 3)).copy()


def _cast() -> onnx.NodeProto:
    return helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)


def _column() -> onnx.NodeProto:
    return helper.make_node("Reshape", ["s", "column_shape"], ["y"])


def _pixels(batch: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("x", TensorProto.UINT8, (batch, SIDE, SIDE, 3))


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    given: onnx.ValueInfoProto,
    shape: tuple[int | str, ...],
) -> Path:
    numbers = {
        "hwc": [1, 2, 3],
        "one": [1],
        "two": [2, SIDE * SIDE * 3],
        "huge": [HUGE],
        "column_shape": [-1, 1],
    }
    used = {name for node in nodes for name in node.input}
    constants = [
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in numbers.items()
        if name in used
    ]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "sums", [given], [result], constants)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path
