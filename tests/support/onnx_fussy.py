"""A detector that raises on every picture but a black one: it looks up what is not there."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write(path: Path) -> None:
    """Write a YOLOv8-style model (two classes, 21 boxes) with an index that the pixels choose."""
    constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "dark": np.array(0.02, np.float32),
        "only": np.ones(1, np.float32),
        "zero": np.zeros((1, 6, 21), np.float32),
    }
    nodes = [
        helper.make_node("ReduceSum", ["images", "axes"], ["light"], keepdims=0),
        helper.make_node("Greater", ["light", "dark"], ["is_light"]),
        helper.make_node("Cast", ["is_light"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["only", "index"], ["found"]),
        helper.make_node("Mul", ["zero", "found"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "fussy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, 21])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in {"names": "{0: 'a', 1: 'b'}", "task": "detect", "stride": "32"}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))
