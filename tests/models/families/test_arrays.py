"""The operations in NumPy and as ONNX nodes compute the same; strange numbers raise nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from onnx import helper

from parallax.models import graph
from parallax.models.families import arrays
from tests.support import run_heads

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda ops, a: ops.add(a, ops.constant(np.array([1.5, 2, 3, 4], np.float32))),
    "subtract": lambda ops, a: ops.subtract(ops.constant(np.array([2.0], np.float32)), a),
    "multiply": lambda ops, a: ops.multiply(a, a),
    "exponential": lambda ops, a: ops.exponential(a),
    "sigmoid": lambda ops, a: ops.sigmoid(a),
    "softmax": lambda ops, a: ops.softmax(a, axis=2),
    "transpose": lambda ops, a: ops.transpose(a, (0, 2, 1)),
    "cut": lambda ops, a: ops.cut(a, axis=1, start=1, end=3),
    "join": lambda ops, a: ops.join([a, ops.cut(a, axis=2, start=0, end=1)], axis=2),
    "reshape": lambda ops, a: ops.reshape(a, (0, 2, 6)),
    "reshape-keeping": lambda ops, a: ops.reshape(a, (0, 0, 2, 2)),
    "expand": lambda ops, a: ops.expand(ops.reshape(a, (0, 3, 1, 4)), (1, 1, 2, 1)),
    "largest": lambda ops, a: ops.largest(a, axis=2)[0],
    "largest-position": lambda ops, a: ops.largest(a, axis=2)[1],
    "resize-up": lambda ops, a: ops.resize(ops.reshape(a, (0, 1, 3, 4)), 7, 9),
    "resize-down": lambda ops, a: ops.resize(ops.reshape(a, (0, 3, 2, 2)), 1, 3),
    "to_bytes": lambda ops, a: ops.to_bytes(ops.multiply(a, a)),
}


def in_a_graph(operation: Callable[[Any, Any], Any], value: Any, opset: int) -> Any:
    """Run the operation as the nodes of a graph."""
    build = graph.Builder(opset)
    result = build.cast(operation(build, "a"), np.float32)
    made = helper.make_model(
        helper.make_graph(
            build.nodes,
            "g",
            [helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, ("n", 3, 4))],
            [helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, None)],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=6 if opset < 13 else 8,
    )
    return run_heads.outputs(made.SerializeToString(), value)[0]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("opset", [11, 12, 13, 17, 18, 20])
def test_both_compute_the_same(name: str, opset: int) -> None:
    value = np.random.default_rng(1).normal(0, 3, (2, 3, 4)).astype(np.float32)
    ours = OPERATIONS[name](arrays.Arrays(), value)
    theirs = in_a_graph(OPERATIONS[name], value, opset)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OPERATIONS)
@given(
    arrays_of.arrays(
        np.float32, (1, 3, 4), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)
    )
)
def test_no_number_is_too_strange(name: str, value: Any) -> None:
    result = OPERATIONS[name](arrays.Arrays(), value)
    assert result.dtype == (np.uint8 if name == "to_bytes" else np.float32)


def test_bytes_are_truncated() -> None:
    value = np.array([0.0, 0.99, 1.0, 254.9, 255.0, np.nan, np.inf], np.float32)
    assert arrays.Arrays().to_bytes(value).tolist() == [0, 0, 1, 254, 255, 0, 0]
