"""Nodes that are added to a graph: names, opsets and what fusing needs beyond decoding."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from parallax.models import graph
from parallax.models.families import base
from tests.support import run_heads


def run(build: graph.Builder, result: str, opset: int, **feeds: Any) -> Any:
    """Run the nodes; the first feed is the graph's only input."""
    ((name, value),) = feeds.items()
    element = helper.np_dtype_to_tensor_dtype(value.dtype)
    shape = ("n", *value.shape[1:])
    build.rename(result, "result")
    made = helper.make_model(
        helper.make_graph(
            build.nodes,
            "g",
            [helper.make_tensor_value_info(name, element, shape)],
            [helper.make_tensor_value_info("result", onnx.TensorProto.FLOAT, None)],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=6 if opset < 13 else 8,
    )
    return run_heads.outputs(made.SerializeToString(), value)[0]


@pytest.mark.parametrize("opset", [11, 12, 13, 17, 18, 20])
def test_the_best_rows_of_each_item(opset: int) -> None:
    table = np.random.default_rng(0).random((3, 9, 5), np.float32)
    build = graph.Builder(opset)
    rank = build.rank(build.cut("table", axis=2, start=2, end=3), 4, axis=1)
    found = run(build, build.pick_rows("table", rank, 5), opset, table=table)
    for item, rows in enumerate(found):
        best = sorted(table[item].tolist(), key=lambda row: -row[2])[:4]
        assert rows.tolist() == best


@pytest.mark.parametrize("opset", [11, 18])
def test_channels_change_places(opset: int) -> None:
    value = np.random.default_rng(0).random((2, 3, 4), np.float32)
    build = graph.Builder(opset)
    found = run(build, build.take("a", (2, 1, 0), axis=1), opset, a=value)
    assert (found == value[:, ::-1]).all()


def test_casting() -> None:
    build = graph.Builder(17)
    value = np.array([[0, 200, 255]], np.uint8)
    assert run(build, build.cast("a", np.float32), 17, a=value).tolist() == [[0, 200, 255]]


def test_every_name_is_new_and_begins_with_the_prefix() -> None:
    build = graph.Builder(17)
    build.rank(build.resize("a", 4, 4), 2, axis=1)
    build.largest("a", axis=2)
    names = [name for node in build.nodes for name in (node.name, *node.output)]
    assert all(name.startswith(base.PREFIX) for name in names)
    outputs = [name for node in build.nodes for name in node.output]
    assert len(set(outputs)) == len(outputs)


@pytest.mark.parametrize(
    ("imports", "version"),
    [
        ([("", 17)], 17),
        ([("ai.onnx", 12), ("com.microsoft", 99)], 12),
        ([("com.microsoft", 1)], 0),
        ([], 0),
    ],
)
def test_the_version_of_the_standard_operators(
    imports: list[tuple[str, int]], version: int
) -> None:
    model = onnx.ModelProto()
    model.opset_import.extend(helper.make_opsetid(*item) for item in imports)
    assert graph.opset(model) == version


def node(takes: list[str], *makes: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Any", takes, makes, name="".join(makes), **attributes)


def order(*nodes: onnx.NodeProto) -> str:
    return "".join(node.name for node in graph.in_order(nodes))


def test_nodes_in_order_stay_where_they_are() -> None:
    assert order(node(["x"], "b"), node([], "a"), node(["b", "a"], "d"), node([""], "c")) == "badc"


def test_nodes_come_after_those_whose_results_they_take() -> None:
    assert order(node(["c"], "a"), node(["x"], "b"), node(["b"], "c")) == "bca"


def test_branches_take_results_too() -> None:
    branch = helper.make_graph([node(["b"], "inner")], "branch", [], [])
    passing = helper.make_graph([], "passing", [], [helper.make_tensor_value_info("c", 1, None)])
    assert (
        order(
            node([], "a", then=branch), node([], "d", other=passing), node([], "b"), node([], "c")
        )
        == "bacd"
    )


def test_a_ring_of_nodes_is_no_graph() -> None:
    with pytest.raises(ValueError, match="cycle"):
        graph.in_order([node(["b"], "a"), node(["a"], "b")])
