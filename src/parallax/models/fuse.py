"""ONNX surgery: pixels in, few numbers out.

In front of the network: from the uint8 NHWC batch that the pre stage makes to the network's own
input. Behind it: the family's decoding and, for boxes, the best rows by score. What leaves the
device shrinks from megabytes to kilobytes, and no worker touches floats in between.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, external_data_helper, helper

from parallax.contract import spec
from parallax.models import graph, network, plain
from parallax.models.families import base, heads

FUSE_VERSION = 6
"""Raise it whenever the nodes made here or in a family change: cached graphs are then made anew."""

INPUT_NAME = base.PREFIX + "pixels"

MAX_BYTES = 1_500_000_000
"""Weights beyond this stay where they are: a protobuf file ends at 2 GB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build round a network."""

    family: base.Family
    layout: spec.Layout
    width: int
    height: int
    batch: int | None
    """The batch axis where it is a constant."""
    pixels: spec.PlainInput


class CannotFuseError(Exception):
    """The graph cannot be extended; the message says why. The model is then served as it is."""


def fuse(source: network.Network, plan: Plan) -> bytes:
    """Return the extended graph, serialized, with all weights inside.

    Its input is uint8 (N, H, W, 3) RGB. Its outputs are those of ``heads.fused_outputs``: rows as
    ``heads.Found`` has them, (N, K, 6 + E) float32 by falling score, and their maps; or scores
    (N, C); or class ids and confidence, uint8 (N, H, W).

    Raises:
        CannotFuseError: the opset is too old, or the model too large, or the result is not valid.
    """
    version = graph.opset(source.model)
    if version < graph.MIN_OPSET:
        raise CannotFuseError(f"opset {version} is older than {graph.MIN_OPSET}")
    weights = source.model.ByteSize() + sum(path.stat().st_size for path in source.external)
    if weights > MAX_BYTES:
        raise CannotFuseError(f"{weights} bytes of weights are more than {MAX_BYTES}")
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    try:
        external_data_helper.load_external_data_for_model(model, str(source.path.parent))
        _prepend(model, source, plan, version)
        _append(model, plan, version)
        _replace(model.graph.node, graph.in_order(model.graph.node))
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, OSError) as problem:
        raise CannotFuseError(str(problem).partition("\n")[0]) from problem
    serialized: bytes = model.SerializeToString()
    return serialized


def _prepend(model: onnx.ModelProto, source: network.Network, plan: Plan, version: int) -> None:
    """Compute the network's input from pixels, under the name it had."""
    build = graph.Builder(version, base.PREFIX + "in/")
    value = build.cast(INPUT_NAME, np.float32)
    value = build.transpose(value, (0, 3, 1, 2))
    if plan.pixels.swap:
        value = build.take(value, (2, 1, 0), axis=1)
    # After the transposition, as factors per plane: along a last axis of three, a multiplication
    # costs ten times as much (4.6 ms for 640 x 640).
    factor, offset = (_per_channel(part) for part in plain.affine(plan.pixels))
    if (factor != 1.0).any():
        value = build.multiply(value, build.constant(factor))
    if offset.any():
        value = build.add(value, build.constant(offset))
    if source.dtype != "float32":
        value = build.cast(value, plain.DTYPES[source.dtype])
    build.rename(value, source.input_name)
    held = [value for value in model.graph.input if value.name != source.input_name]
    batch = "batch" if plan.batch is None else plan.batch
    shape = (batch, plan.height, plan.width, 3)
    pixels = helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, shape)
    _replace(model.graph.input, [pixels, *held])
    model.graph.node.extend(build.nodes)


def _per_channel(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (3,) as it broadcasts over NCHW; one number where all channels have the same."""
    return values[:1] if (values == values[0]).all() else values[:, None, None]


def _append(model: onnx.ModelProto, plan: Plan, version: int) -> None:
    """Decode the outputs and keep what can matter."""
    build = graph.Builder(version, base.PREFIX + "out/")
    names = [output.name for output in model.graph.output]
    outputs = [build.cast(names[index], np.float32) for index in plan.layout.order]
    network_size = (plan.width, plan.height)
    ends = _ends(build, plan, plan.family.decode(build, outputs, network_size, plan.layout))
    batch = "batch" if plan.batch is None else plan.batch
    infos = []
    for name, end in zip(heads.fused_outputs(plan.family.task), ends, strict=True):
        build.rename(end.value, name)
        infos.append(helper.make_tensor_value_info(name, end.dtype, (batch, *end.shape)))
    _replace(model.graph.output, infos)
    model.graph.node.extend(build.nodes)


@dataclass(frozen=True, slots=True)
class _End:
    """An output of the fused graph."""

    value: str
    shape: tuple[int, ...]
    dtype: int = TensorProto.FLOAT


def _ends(build: graph.Builder, plan: Plan, head: base.Head[str]) -> list[_End]:
    layout = plan.layout
    if isinstance(head, base.Scores):
        return [_End(head.values, (layout.classes,))]
    if isinstance(head, base.Pixels):
        shape = (plan.height, plan.width)
        return [_End(part, shape, TensorProto.UINT8) for part in (head.classes, head.confidence)]
    columns = 6 + heads.extras(layout)
    parts = [head.boxes, head.scores, head.classes]
    table = build.join(parts if head.extras is None else [*parts, head.extras], axis=2)
    count = min(plan.family.top, head.count)
    best = build.pick_rows(table, build.rank(head.scores, count, axis=1), columns)
    rows = _End(best, (count, columns))
    if head.maps is None or layout.map_size is None:
        return [rows]
    planes = layout.coefficients or layout.anchors
    return [rows, _End(head.maps, (planes, *layout.map_size))]


def _replace(field: Any, values: list[Any]) -> None:
    """Set a repeated field of a protobuf message; the values may be among its present ones."""
    kept = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(kept)
