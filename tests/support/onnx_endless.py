"""A detector whose first run never ends: its head comes out of a loop of 2**62 turns."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_HEAD = [1, 6, 21]


def write(path: Path) -> None:
    """Write a YOLOv8-style model (two classes, 21 boxes of 32x32) that loads and never runs."""
    initial = {
        "axes": np.array([1, 2, 3], np.int64),
        "last": np.array([3], np.int64),
        "zero": np.zeros(_HEAD, np.float32),
        "turns": np.array(2**62, np.int64),
        "on": np.array(True),
    }
    nodes = [
        helper.make_node("ReduceSum", ["images", "axes"], ["sum"], keepdims=1),
        helper.make_node("Squeeze", ["sum", "last"], ["each"]),
        helper.make_node("Add", ["zero", "each"], ["begin"]),
        helper.make_node("Loop", ["turns", "on", "begin"], ["output0"], body=_turn()),
    ]
    graph = helper.make_graph(
        nodes,
        "endless",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, _HEAD)],
        [numpy_helper.from_array(value, name) for name, value in initial.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in {"names": "{0: 'a', 1: 'b'}", "task": "detect", "stride": "32"}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))


def _turn() -> onnx.GraphProto:
    """Return the body of the loop: it hands on what it gets."""
    return helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["value"], ["next"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, _HEAD),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, _HEAD),
        ],
    )
