"""A detector whose first run never ends: its head comes out of a loop of 2**62 turns."""

from pathlib import Path

import numpy as np
from onnx import helper

from tests.support import onnx_small


def write(path: Path) -> None:
    """Write a YOLOv8-style model (two classes, 21 boxes of 32x32) that loads and never runs."""
    initial: onnx_small.Constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "last": np.array([3], np.int64),
        "zero": np.zeros((1, *onnx_small.HEAD), np.float32),
        "turns": np.array(2**62, np.int64),
        "on": np.array(True),
    }
    idle = onnx_small.idle_turn()
    nodes = [
        helper.make_node("ReduceSum", ["images", "axes"], ["sum"], keepdims=1),
        helper.make_node("Squeeze", ["sum", "last"], ["each"]),
        helper.make_node("Add", ["zero", "each"], ["begin"]),
        helper.make_node("Loop", ["turns", "on", "begin"], ["output0"], body=idle),
    ]
    onnx_small.save(path, nodes, initial)
