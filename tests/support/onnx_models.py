"""Tiny ONNX detectors with random weights, in every shape of file that people export.

One convolution per stride, so that boxes and scores depend on the pixels; nothing is learnt. They
test surgery and arithmetic: a fused graph must find what the plain one finds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Recipe:
    """What kind of file to make."""

    family: str = "yolov8"
    classes: int = 3
    width: int = 64
    height: int = 64
    batch: int | str = "batch"
    opset: int = 17
    dtype: type[np.floating] = np.float32
    symbolic: bool = False
    """Height and width are named and not given, and the output's shape is unknown."""
    computed: bool = False
    """Reshapes take the batch from the input's shape, as PyTorch's exporter writes it."""
    seed: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


def make(path: Path, recipe: Recipe | None = None, *, external: str | None = None) -> Path:
    """Write a model file and return its path; ``external`` names a file for the weights."""
    model = build(recipe or Recipe())
    path.parent.mkdir(parents=True, exist_ok=True)
    if external is None:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location=external, size_threshold=1024)
    return path


def build(recipe: Recipe) -> onnx.ModelProto:
    """Return a model in memory."""
    rows = recipe.classes + (4 if recipe.family == "yolov8" else 5)
    nodes, weights = _trunk(rows, recipe)
    finish = {"yolov8": _yolov8, "yolox": _yolox, "yolox-decoded": _yolox}[recipe.family]
    nodes += finish(recipe)
    element = helper.np_dtype_to_tensor_dtype(np.dtype(recipe.dtype))
    sides = ("height", "width") if recipe.symbolic else (recipe.height, recipe.width)
    anchors = sum((recipe.height // s) * (recipe.width // s) for s in STRIDES)
    flat = (rows, anchors) if recipe.family == "yolov8" else (anchors, rows)
    shape = ("batch", "a", "b") if recipe.symbolic else (recipe.batch, *flat)
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("images", element, (recipe.batch, 3, *sides))],
        [helper.make_tensor_value_info("output0", element, shape)],
        weights,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", recipe.opset)],
        ir_version=6 if recipe.opset < 13 else 8,
    )
    helper.set_model_props(model, dict(recipe.metadata))
    return model


def with_riddle(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with an operation at its end that nobody can infer the shape of."""
    model.graph.node[-1].output[0] = "before"
    domain = "com.microsoft"  # others are refused
    model.graph.node.append(helper.make_node("Riddle", ["before"], ["output0"], domain=domain))
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def picture(seed: int, width: int = 64, height: int = 64) -> NDArray[np.uint8]:
    """Return random pixels, (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _trunk(rows: int, recipe: Recipe) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    random = np.random.default_rng(recipe.seed)
    # YOLOX takes 0 to 255, so its weights are smaller by as much.
    spread = 0.4 if recipe.family == "yolov8" else 0.4 / 128
    weights = [_weight("shape", np.array([0, rows, -1], dtype=np.int64))]
    weights.append(_weight("rest", np.array([rows, -1], dtype=np.int64)))
    nodes = [
        helper.make_node("Shape", ["images"], ["sizes"]),
        helper.make_node("Slice", ["sizes", "zero", "one", "zero"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["target"], axis=0),
    ]
    for stride in STRIDES:
        kernel = random.normal(0, spread * 8 / stride, (rows, 3, stride, stride))
        weights.append(_weight(f"w{stride}", kernel.astype(recipe.dtype)))
        nodes += [
            helper.make_node(
                "Conv",
                ["images", f"w{stride}"],
                [f"c{stride}"],
                kernel_shape=[stride] * 2,
                strides=[stride] * 2,
            ),
            helper.make_node(
                "Reshape", [f"c{stride}", "target" if recipe.computed else "shape"], [f"r{stride}"]
            ),
        ]
    nodes.append(helper.make_node("Concat", [f"r{s}" for s in STRIDES], ["trunk"], axis=2))
    weights += [
        _weight(name, np.array([value], dtype=np.int64))
        for name, value in (("zero", 0), ("four", 4), ("two", 2), ("one", 1), ("end", 1 << 30))
    ]
    weights.append(_weight("side", np.array([recipe.width], dtype=recipe.dtype)))
    return nodes, weights


def _yolov8(recipe: Recipe) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Sigmoid", ["trunk"], ["all"]),
        helper.make_node("Slice", ["all", "zero", "four", "one"], ["unit"]),
        helper.make_node("Mul", ["unit", "side"], ["boxes"]),
        helper.make_node("Slice", ["all", "four", "end", "one"], ["classes"]),
        helper.make_node("Concat", ["boxes", "classes"], ["output0"], axis=1),
    ]


def _yolox(recipe: Recipe) -> list[onnx.NodeProto]:
    raw = helper.make_node("Slice", ["rows", "zero", "four", "two"], ["raw"])
    boxes = [
        helper.make_node("Sigmoid", ["raw"], ["unit"]),
        helper.make_node("Mul", ["unit", "side"], ["boxes"]),
    ]
    decoded = recipe.family == "yolox-decoded"
    return [
        helper.make_node("Transpose", ["trunk"], ["rows"], perm=[0, 2, 1]),
        raw,
        *(boxes if decoded else ()),
        helper.make_node("Slice", ["rows", "four", "end", "two"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Concat", ["boxes" if decoded else "raw", "scores"], ["output0"], axis=2),
    ]


def _weight(name: str, array: NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(array, name)
