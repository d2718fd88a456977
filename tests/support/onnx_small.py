"""The frame of a hand-made detector: two classes, 21 boxes of a 32x32 picture, no weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE = 32
HEAD = (6, 21)

Constants = dict[str, NDArray[np.generic]]
"""By the name under which nodes use them."""


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Constants,
    batch: int | str = 1,
) -> None:
    """Write a YOLOv8-style model whose ``nodes`` make ``output0`` of ``images``."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [batch, *HEAD])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(
        model, {"names": "{0: 'a', 1: 'b'}", "task": "detect", "stride": str(SIDE)}
    )
    onnx.save(model, str(path))


def idle_turn(batch: int | str = 1) -> onnx.GraphProto:
    """Return the body of a ``Loop`` that hands on what it gets."""
    shape = [batch, *HEAD]
    return helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["value"], ["next"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, shape),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, shape),
        ],
    )
