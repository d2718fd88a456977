"""Shapes that are computed inside a graph."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from parallax.models import shapes

UNIT = np.ones(1, np.float32)
FLOAT = onnx.TensorProto.FLOAT


def model(nodes: Sequence[onnx.NodeProto], **constants: object) -> onnx.ModelProto:
    """Return a model from ``x`` (1, 3, 8, 6) to ``y`` of unknown shape."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, (1, 3, 8, 6))],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def sizes(given: onnx.ModelProto) -> list[int | None]:
    (output,) = shapes.inferred(given).graph.output
    return [dim.dim_value or None for dim in output.type.tensor_type.shape.dim]


def node(kind: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


HEIGHT = (node("Shape", "x", "all"), node("Gather", "all two", "h", axis=0))


def test_a_size_under_a_limit() -> None:
    nodes = (
        *HEIGHT, node("Min", "h limit", "least"), node("Reshape", "least one", "k"),
        node("Expand", "unit k", "y"),
    )  # fmt: skip
    given = model(nodes, two=2, limit=300, one=[1], unit=UNIT)
    assert sizes(given) == [8]


def test_a_row_of_numbers_and_what_is_made_of_its_shape() -> None:
    nodes = (
        *HEIGHT, node("Range", "zero h step", "row"), node("Shape", "row", "length"),
        node("Expand", "unit length", "y"),
    )  # fmt: skip
    given = model(nodes, two=2, zero=0, step=2, unit=UNIT)
    assert sizes(given) == [4]


def test_the_model_is_left_as_it_is() -> None:
    given = model((*HEIGHT, node("Expand", "unit h", "y")), two=[2], unit=UNIT)
    before = given.SerializeToString()
    assert sizes(given) == [8]
    assert given.SerializeToString() == before


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("NonZero", "x", "spots"), node("Cast", "spots", "y", to=FLOAT)], {}),
        (
            [
                node("ConstantOfShape", "many", "large"),
                node("ReduceMax", "large", "most", keepdims=1),
                node("Cast", "most", "size", to=onnx.TensorProto.INT64),
                node("Expand", "unit size", "y"),
            ],
            {"many": [5000], "unit": UNIT},
        ),
        (
            # Stretched along each other these would take a terabyte.
            [
                node("Max", "a b c d", "large"),
                node("ReduceMax", "large", "most", keepdims=0),
                node("Reshape", "most one", "size"),
                node("Expand", "unit size", "y"),
            ],
            {"unit": UNIT, "one": [1]}
            | {n: np.ones(np.where(np.arange(4) == axis, 1000, 1), np.int64)
               for axis, n in enumerate("abcd")},
        ),
        ([node("Mod", "two zero", "k"), node("Expand", "unit k", "y")],
         {"two": [2], "zero": [0], "unit": UNIT}),
    ],
)  # fmt: skip
def test_what_cannot_or_must_not_be_computed_stays_unknown(
    nodes: Sequence[onnx.NodeProto], constants: dict[str, object]
) -> None:
    assert None in sizes(model(nodes, **constants))
