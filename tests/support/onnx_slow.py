"""A detector that takes its time: its head depends on a chain of matrix products of its input."""

from pathlib import Path

import numpy as np
from onnx import helper

from tests.support import onnx_small

_SIDE = 1024
_FLOPS = 2.0 * _SIDE**3
_ASSUMED_FLOPS_PER_SECOND = 3e10


def write(path: Path, seconds: float) -> None:
    """Write a YOLOv8-style model (two classes, 21 boxes) that runs for about ``seconds``."""
    steps = max(1, round(seconds * _ASSUMED_FLOPS_PER_SECOND / _FLOPS))
    square = np.full((_SIDE, _SIDE), 1.0 / _SIDE, np.float32)
    constants: onnx_small.Constants = {
        "square": square,
        "axes": np.array([1, 2, 3], np.int64),
        "zero": np.zeros((1, *onnx_small.HEAD), np.float32),
    }
    nodes = [
        helper.make_node("ReduceSum", ["images", "axes"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "square"], ["m0"]),
    ]
    nodes += [
        helper.make_node("MatMul", [f"m{step}", "square"], [f"m{step + 1}"])
        for step in range(steps)
    ]
    nodes += [
        helper.make_node("ReduceMean", [f"m{steps}"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["nothing"]),
        helper.make_node("Add", ["zero", "nothing"], ["output0"]),
    ]
    onnx_small.save(path, nodes, constants)
