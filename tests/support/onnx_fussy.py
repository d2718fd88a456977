"""A detector that raises on every picture but a black one: it looks up what is not there."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from tests.support import onnx_small


def write(path: Path) -> None:
    """Write a YOLOv8-style model (two classes, 21 boxes) with an index that the pixels choose."""
    constants: onnx_small.Constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "dark": np.array(0.02, np.float32),
        "only": np.ones(1, np.float32),
        "zero": np.zeros((1, *onnx_small.HEAD), np.float32),
    }
    nodes = [
        helper.make_node("ReduceSum", ["images", "axes"], ["light"], keepdims=0),
        helper.make_node("Greater", ["light", "dark"], ["is_light"]),
        helper.make_node("Cast", ["is_light"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["only", "index"], ["found"]),
        helper.make_node("Mul", ["zero", "found"], ["output0"]),
    ]
    onnx_small.save(path, nodes, constants)
