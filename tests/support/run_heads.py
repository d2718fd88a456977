"""Runs a made head both ways: extended with ``models.fuse``, and as it is with NumPy behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from parallax.contract import spec
from parallax.models import fuse, network, plain
from parallax.models.families import arrays, base, heads, registry
from tests.support import onnx_heads

SIZE = (onnx_heads.SIDE, onnx_heads.SIDE)


def family_of(head: onnx_heads.Head) -> base.Family:
    """Return the family a head belongs to."""
    return next(f for f in registry.FAMILIES if (f.name, f.task) == (head.family, head.task))


def layout_of(head: onnx_heads.Head) -> spec.Layout:
    """Return the layout that the family recognises."""
    found = family_of(head).recognise(head.shapes, SIZE, head.known)
    assert found is not None
    return found


def served(head: onnx_heads.Head, *, fused: bool) -> spec.ModelSpec:
    """Return the description of a model with this head."""
    return spec.ModelSpec(
        id="m",
        version="v",
        task=head.task,
        family=head.family,
        labels=tuple(str(index) for index in range(head.classes)),
        input=spec.InputSpec(*SIZE),
        batch=spec.BatchSpec(),
        graph="m.onnx",
        fused=fused,
        input_name=fuse.INPUT_NAME if fused else "images",
        output_names=heads.fused_outputs(head.task) if fused else (),
        source="m.onnx",
        plain=None if fused else spec.PlainInput(),
        layout=layout_of(head),
        suppress=family_of(head).suppress,
    )


@dataclass(frozen=True)
class Both:
    """The outputs of the same pictures on both ways, by item."""

    fused: list[list[NDArray[Any]]]
    plain: list[list[NDArray[Any]]]


def run(head: onnx_heads.Head, folder: Path, recipe: onnx_heads.Recipe, count: int) -> Both:
    """Make a model file of ``recipe`` with this head, and run ``count`` pictures through it."""
    path = onnx_heads.make(folder / "m.onnx", recipe)
    opened = network.load(path, folder)
    defaults = family_of(head).defaults
    pixels = spec.PlainInput(
        defaults.color == "bgr", defaults.scale, defaults.mean, defaults.std, opened.dtype
    )
    plan = fuse.Plan(family_of(head), layout_of(head), *SIZE, opened.batch, pixels)
    pictures = onnx_heads.pictures(count, recipe.seed)
    unfused = outputs(str(path), plain.to_network_input(pictures, pixels))
    return Both(
        by_item(outputs(fuse.fuse(opened, plan), pictures)),
        by_item([unfused[index] for index in plan.layout.order]),
    )


def outputs(graph: bytes | str, feed: NDArray[Any]) -> list[NDArray[Any]]:
    """Return all outputs of a graph."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: feed})
    return [np.asarray(output) for output in found]


def by_item(batched: list[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    """Return the outputs of each item, without the batch axis."""
    return [list(item) for item in zip(*batched, strict=True)]


def best(found: heads.Found, count: int) -> heads.Found:
    """Return the rows by falling score, as a fused graph has them, at most ``count``."""
    order = np.argsort(-found.rows[:, 4], kind="stable")[:count]
    return heads.Found(found.rows[order], found.maps)


def renamed(model: spec.ModelSpec, **fields: Any) -> spec.ModelSpec:
    """Return the model with other fields."""
    return msgspec.structs.replace(model, **fields)


def decode(
    family: base.Family,
    outputs: Sequence[NDArray[Any]],
    network: tuple[int, int] = SIZE,
    known: spec.Layout | None = None,
) -> base.Head[NDArray[np.float32]]:
    """Recognise and decode outputs, with their batch axis, in NumPy."""
    layout = family.recognise([output.shape for output in outputs], network, known or spec.Layout())
    assert layout is not None
    chosen = [outputs[index].astype(np.float32) for index in layout.order]
    return family.decode(arrays.Arrays(), chosen, network, layout)


def table(head: base.Head[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the rows of the first item: box, score, class, extras."""
    assert isinstance(head, base.Rows)
    parts = [head.boxes, head.scores, head.classes]
    batch = np.concatenate(parts if head.extras is None else [*parts, head.extras], axis=2)
    rows: NDArray[np.float32] = batch[0]
    return rows
