"""What an ONNX file holds and names: it is data, and may neither lead out of its package nor ask
for code that is not ONNX Runtime's own.

Two readers of one file must not understand it differently, so what is said twice is refused: where
a tensor has two places, one reader takes the first and another the last.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

from parallax.models import files

_OPERATORS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"}
)
"""Domains of the operators that ONNX Runtime has built in."""
_COMPILED = ("com.microsoft", "EPContext")
"""A node that holds, or names by a path, what a device's compiler made: code."""
_IN_MEMORY = "_MEM_ADDR_"
"""Part of the places that ONNX Runtime reads as an address in its own memory."""
_LONGEST_NAME = 100


def check_operators(model: onnx.ModelProto, path: Path) -> None:
    """Refuse operators that would need a library of their own, or that hold compiled code.

    Raises:
        ModelRefusedError: names the operator.
    """
    own = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model):
        kind = (node.domain, node.op_type)
        if kind == _COMPILED:
            raise files.refused(path, "holds a network compiled for a device; only ONNX is served")
        if node.domain not in _OPERATORS and kind not in own:
            name = f"{node.domain}.{node.op_type}"[:_LONGEST_NAME]
            raise files.refused(
                path,
                f"uses the operator {name!r}, which ONNX Runtime does not have; libraries of "
                "custom operators are not loaded",
            )


def external_files(
    model: onnx.ModelProto, path: Path, folder: Path, blobs: Path | None
) -> tuple[Path, ...]:
    """Return the files that hold weights, links followed; arguments as in ``files.inside``.

    Raises:
        ModelRefusedError: one lies outside of the package or does not exist, or a tensor does not
            name exactly one.
    """
    found: dict[Path, None] = {}
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        places = [entry.value for entry in tensor.external_data if entry.key == "location"]
        if len(places) != 1:
            raise files.refused(path, f"a tensor has {len(places)} places for its data, not one")
        if _IN_MEMORY in places[0]:
            raise files.refused(path, "a tensor's data is an address in memory")
        found[files.inside(folder, places[0], path, blobs)] = None
    return tuple(found)


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield every node of a model, in subgraphs and functions too."""
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        yield from _within(nodes)


def _within(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for graph in _subgraphs(node):
            yield from _within(graph.node)


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor a model holds, sparse ones in their two parts."""
    yield from _held(model.graph)
    for node in _nodes(model):
        for graph in _subgraphs(node):
            yield from _held(graph)
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _held(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
