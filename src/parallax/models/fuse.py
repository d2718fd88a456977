"""ONNX surgery: pixels in, candidates out.

In front of the network: from the uint8 NHWC batch that the pre stage makes to the network's own
input. Behind it: the family's decoding, the best class of each anchor, and the best anchors by
score. What leaves the device shrinks from megabytes to kilobytes, and no worker touches floats in
between.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, external_data_helper, helper

from parallax.contract import spec
from parallax.models import graph, network, plain
from parallax.models.families import base, detection

FUSE_VERSION = 1
"""Raise it whenever the nodes made here or in a family change: cached graphs are then made anew."""

INPUT_NAME = graph.PREFIX + "pixels"
OUTPUT_NAME = "candidates"

MAX_BYTES = 1_500_000_000
"""Weights beyond this stay where they are: a protobuf file ends at 2 GB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build round a network."""

    family: base.Family
    layout: base.Layout
    width: int
    height: int
    batch: int | None
    """The batch axis where it is a constant."""
    pixels: spec.PlainInput


class CannotFuseError(Exception):
    """The graph cannot be extended; the message says why. The model is then served as it is."""


def fuse(source: network.Network, plan: Plan) -> bytes:
    """Return the extended graph, serialized, with all weights inside.

    Its input is uint8 (N, H, W, 3) RGB, its output ``candidates`` float32 (N, K, 6) by falling
    score: centre x, centre y, width, height in network pixels, score, class; K is at most 3000.

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
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, OSError) as problem:
        raise CannotFuseError(str(problem).partition("\n")[0]) from problem
    serialized: bytes = model.SerializeToString()
    return serialized


def _prepend(model: onnx.ModelProto, source: network.Network, plan: Plan, version: int) -> None:
    """Compute the network's input from pixels, under the name it had."""
    build = graph.Builder(version, graph.PREFIX + "in/")
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
    _replace(model.graph.node, [*build.nodes, *model.graph.node])


def _per_channel(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (3,) as it broadcasts over NCHW; one number where all channels have the same."""
    return values[:1] if (values == values[0]).all() else values[:, None, None]


def _append(model: onnx.ModelProto, plan: Plan, version: int) -> None:
    """Decode the first output and keep the best anchors."""
    build = graph.Builder(version, graph.PREFIX + "out/")
    head = build.cast(model.graph.output[0].name, np.float32)
    decoded = plan.family.append(build, head, (plan.width, plan.height), plan.layout)
    score, best = build.largest(decoded.classes, axis=2)
    if decoded.objectness is not None:
        score = build.multiply(score, decoded.objectness)
    table = build.join([decoded.boxes, score, build.cast(best, np.float32)], axis=2)
    count = min(detection.MAX_CANDIDATES, plan.layout.anchors)
    build.rename(build.pick_rows(table, build.rank(score, count, axis=1), 6), OUTPUT_NAME)
    batch = "batch" if plan.batch is None else plan.batch
    shape = (batch, count, 6)
    found = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, shape)
    _replace(model.graph.output, [found])
    model.graph.node.extend(build.nodes)


def _replace(field: Any, values: list[Any]) -> None:
    """Set a repeated field of a protobuf message; the values may be among its present ones."""
    kept = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(kept)
