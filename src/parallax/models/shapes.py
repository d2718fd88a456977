"""Shapes of a graph whose input size is given, also where they are computed inside the graph.

ONNX's own inference follows sizes through a few operations only. Exports with free sizes compute
more (how many boxes there are, the least of that and of a limit ...); so what depends on nothing
but sizes is computed here, put into the graph as a constant, and inference is asked again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, reference

Array = NDArray[Any]

# fmt: off
_FOLDED = frozenset((
    "Add", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Floor",
    "Gather", "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Range",
    "ReduceMax", "ReduceMin", "ReduceProd", "Reshape", "Shape", "Size", "Slice", "Squeeze", "Sub",
    "Unsqueeze", "Where",
))
# fmt: on
"""Operations that sizes are computed with."""

_STRETCHED = frozenset(
    ("Add", "Div", "Equal", "Greater", "Less", "Max", "Min", "Mod", "Mul", "Sub", "Where")
)
"""Those of which each input is stretched along the axes of the others."""

_MOST_ELEMENTS = 1024
_MOST_ROUNDS = 16


def inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with all shapes that follow from its input's.

    Args:
        model: its input has a shape of numbers; it is left as it is.

    Raises:
        onnx.shape_inference.InferenceError: the graph contradicts itself.
    """
    result = onnx.shape_inference.infer_shapes(model, data_prop=True)
    known: dict[str, Array] = {}
    for _ in range(_MOST_ROUNDS):
        if all(_sizes(output) for output in result.graph.output):
            break
        if not _fold(result, known):
            break
        result = onnx.shape_inference.infer_shapes(_with(model, known), data_prop=True)
    return result


def _fold(model: onnx.ModelProto, known: dict[str, Array]) -> bool:
    """Add what can be computed to ``known``, by names of tensors; tell whether any is new."""
    graph = model.graph
    shapes = {
        value.name: sizes
        for value in (*graph.value_info, *graph.input, *graph.output)
        if (sizes := _sizes(value))
    }
    constants = {
        held.name: numpy_helper.to_array(held)
        for held in graph.initializer
        if not held.external_data and not _is_large(np.array(held.dims))
    }
    before = len(known)
    for node in graph.node:
        if len(node.output) != 1 or node.output[0] in known:
            continue
        given = {name: known.get(name, constants.get(name)) for name in node.input if name}
        if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
            # Only its shape is looked at, so it may be as large as it likes.
            given = {node.input[0]: np.broadcast_to(np.False_, shapes[node.input[0]])}
        value = _computed(node, given, model)
        if value is not None:
            known[node.output[0]] = value
    return len(known) > before


def _computed(
    node: onnx.NodeProto, given: dict[str, Array | None], model: onnx.ModelProto
) -> Array | None:
    feeds = {name: value for name, value in given.items() if value is not None}
    if node.domain not in ("", "ai.onnx") or len(feeds) < len(given):
        return None
    if node.op_type not in _FOLDED:
        return None
    inputs = [onnx.ValueInfoProto(name=name) for name in feeds]
    outputs = [onnx.ValueInfoProto(name=node.output[0])]
    alone = helper.make_graph([node], "alone", inputs, outputs)
    opsets = [opset for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    try:
        if _is_too_long(node.op_type, [feeds[name] for name in node.input if name]):
            return None
        evaluator = reference.ReferenceEvaluator(helper.make_model(alone, opset_imports=opsets))
        with np.errstate(all="ignore"):
            value = np.asarray(evaluator.run(None, feeds)[0])
    except Exception:  # noqa: BLE001 - whatever a strange node raises, its shape stays unknown
        return None
    return value if value.size <= _MOST_ELEMENTS else None


def _is_too_long(operation: str, inputs: Sequence[Array]) -> bool:
    """Tell whether the result of an operation that makes much of little would be too large."""
    if operation == "ConstantOfShape":
        return _is_large(inputs[0])
    if operation == "Range":
        start, limit, delta = (float(value) for value in inputs)
        return delta == 0 or (limit - start) / delta > _MOST_ELEMENTS
    if operation in _STRETCHED:
        return _is_large(np.array(np.broadcast_shapes(*(value.shape for value in inputs))))
    return False


def _is_large(sizes: Array) -> bool:
    return float(np.prod(sizes, dtype=np.float64)) > _MOST_ELEMENTS


def _with(model: onnx.ModelProto, known: dict[str, Array]) -> onnx.ModelProto:
    """Return a copy in which the known tensors are constants."""
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    kept = [node for node in folded.graph.node if known.keys().isdisjoint(node.output)]
    del folded.graph.node[:]
    folded.graph.node.extend(kept)
    folded.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in known.items()
    )
    return folded


def _sizes(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    """Return a shape of which all is known."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    sizes = tuple(dim.dim_value for dim in kind.shape.dim)
    return sizes if all(sizes) else None
