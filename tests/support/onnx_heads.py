"""Tiny ONNX models whose outputs have any shapes, with values that depend on the pixels.

Nothing is learnt: each output is a table plus slopes times the mean colour of the picture. They
test what comes behind a network, for every head layout in ``HEADS``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from parallax.contract import spec, tasks

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Columns of an output with values of one kind."""

    count: int
    low: float
    high: float
    whole: bool = False
    """Whole numbers from ``low`` to below ``high``, whatever the picture."""


@dataclass(frozen=True)
class Output:
    """One output; its last axis is made of parts."""

    leading: tuple[int, ...]
    """Axes between the batch and the parts."""
    parts: tuple[Part, ...]
    flip: bool = False
    """The last two axes change places."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Without the batch axis."""
        shape = (*self.leading, sum(part.count for part in self.parts))
        return (*shape[:-2], shape[-1], shape[-2]) if self.flip else shape

    def tables(self, random: np.random.Generator) -> tuple[Floats, Floats]:
        """Return the constant part, of ``shape``, and three slopes for it."""
        base, slopes = [], []
        for part in self.parts:
            shape, span = (*self.leading, part.count), part.high - part.low
            if part.whole:
                base.append(random.integers(int(part.low), int(part.high), shape).astype(float))
                slopes.append(np.zeros((3, *shape)))
            else:
                base.append(random.uniform(part.low + 0.1 * span, part.high - 0.2 * span, shape))
                slopes.append(random.uniform(-0.03 * span, 0.06 * span, (3, *shape)))
        table, slope = np.concatenate(base, axis=-1), np.concatenate(slopes, axis=-1)
        if self.flip:
            table, slope = table.swapaxes(-1, -2), slope.swapaxes(-1, -2)
        return table.astype(np.float32), slope.astype(np.float32)


@dataclass(frozen=True)
class Head:
    """A head layout: what it belongs to, and the outputs it has for a network of 64 x 64."""

    family: str
    task: str
    outputs: tuple[Output, ...]
    known: spec.Layout = field(default_factory=spec.Layout)
    """What a package would say of it."""
    classes: int = 3

    @property
    def shapes(self) -> tuple[tuple[int | None, ...], ...]:
        """As they are recognised, with a free batch axis."""
        return tuple((None, *output.shape) for output in self.outputs)


SIDE = 64
ANCHORS = 84
"""Cells of strides 8, 16 and 32."""

_BOX = Part(4, 8, 56)
_SHARES = Part(4, 0.1, 0.6)
_RAW = Part(4, -1, 1)
_SCORES = Part(3, 0, 1)
_FINAL = (_BOX, Part(1, 0, 1), Part(1, 0, 3, whole=True))
_LOGITS = Part(3, -4, 4)
_WEIGHTS = Part(8, -1, 1)
_POINTS = Part(15, 0, 64)
_PLANES = Output((8, 16), (Part(16, -1, 1),))
_OBJECT = Part(6, -3, 3)


def _columns(*parts: Part) -> Output:
    return Output((ANCHORS,), parts, flip=True)


def _rows(count: int, *parts: Part) -> Output:
    return Output((count,), parts)


def _logits(classes: int, height: int, width: int) -> Output:
    return Output((classes, height), (Part(width, -3, 3),))


_BOXES, _SEGMENTS = tasks.OBJECT_DETECTION, tasks.INSTANCE_SEGMENTATION
_POSE, _CLASSES, _SEMANTIC = (
    tasks.KEYPOINT_DETECTION,
    tasks.CLASSIFICATION,
    tasks.SEMANTIC_SEGMENTATION,
)
_FIVE = spec.Layout(classes=3, keypoints=5)
_PAIRS = spec.Layout(classes=3, keypoints=5, keypoint_values=2)
_FOUR_CLASSES = (Part(4, 0, 1), Part(4, -4, 4))
_V5_FEATURES = tuple(Output((3, side, side), (Part(16, -3, 3),)) for side in (8, 4, 2))
_QUERY_MASKS = Output((20, 12), (Part(12, -2, 2),))

HEADS: Mapping[str, Head] = {
    "yolov8": Head("yolov8", _BOXES, (_columns(_BOX, _SCORES),)),
    "yolov8-seg": Head("yolov8", _SEGMENTS, (_columns(_BOX, _SCORES, _WEIGHTS), _PLANES)),
    "yolov8-pose": Head("yolov8", _POSE, (_columns(_BOX, _SCORES, _POINTS),), _FIVE),
    "yolov8-pose-pairs": Head("yolov8", _POSE, (_columns(_BOX, _SCORES, Part(10, 0, 64)),), _PAIRS),
    "yolo26": Head("yolo26", _BOXES, (_rows(30, *_FINAL),), spec.Layout(classes=3)),
    "yolo26-seg": Head("yolo26", _SEGMENTS, (_rows(30, *_FINAL, _WEIGHTS), _PLANES)),
    "yolo26-pose": Head("yolo26", _POSE, (_rows(30, *_FINAL, _POINTS),), _FIVE),
    "yolov5": Head("yolov5", _BOXES, (_rows(252, _BOX, Part(1, 0, 1), _SCORES),)),
    "yolov5-features": Head(
        "yolov5", _BOXES, (_rows(252, _BOX, Part(1, 0, 1), _SCORES), *_V5_FEATURES)
    ),
    "yolov5-seg": Head(
        "yolov5", _SEGMENTS, (_rows(252, _BOX, Part(1, 0, 1), _SCORES, _WEIGHTS), _PLANES)
    ),
    "yolov7-seg": Head(
        "yolov5",
        _SEGMENTS,
        (_rows(252, _BOX, Part(1, 0, 1), _SCORES, _WEIGHTS), *_V5_FEATURES, _PLANES),
    ),
    "yolox": Head("yolox", _BOXES, (_rows(ANCHORS, _RAW, Part(1, 0, 1), _SCORES),)),
    "yolox-decoded": Head("yolox-decoded", _BOXES, (_rows(ANCHORS, _BOX, Part(1, 0, 1), _SCORES),)),
    "yolo-nas": Head("yolo-nas", _BOXES, (_rows(ANCHORS, _BOX), _rows(ANCHORS, _SCORES))),
    "yolo-nas-swapped": Head("yolo-nas", _BOXES, (_rows(ANCHORS, _SCORES), _rows(ANCHORS, _BOX))),
    "rtdetr": Head("rtdetr", _BOXES, (_rows(30, _SHARES, _SCORES),)),
    "rtdetr-decoded": Head(
        "rtdetr-decoded", _BOXES, (_rows(30, _SHARES, *_FINAL[1:]),), spec.Layout(classes=3)
    ),
    "rf-detr": Head("rf-detr", _BOXES, (_rows(20, _SHARES), _rows(20, _LOGITS))),
    "rf-detr-many": Head(
        "rf-detr", _BOXES, (_rows(120, _SHARES), _rows(120, Part(7, -4, 4))), classes=7
    ),
    "rf-detr-swapped": Head("rf-detr", _BOXES, (_rows(20, _LOGITS), _rows(20, _SHARES))),
    "rf-detr-four-classes": Head(
        "rf-detr", _BOXES, tuple(_rows(20, part) for part in _FOUR_CLASSES), classes=4
    ),
    "rf-detr-seg": Head(
        "rf-detr", _SEGMENTS, (_rows(20, _SHARES), _rows(20, _LOGITS), _QUERY_MASKS)
    ),
    "rf-detr-seg-swapped": Head(
        "rf-detr", _SEGMENTS, (_QUERY_MASKS, _rows(20, _LOGITS), _rows(20, _SHARES))
    ),
    "classifier": Head("yolov8", _CLASSES, (Output((), (Part(6, 0, 1),)),), classes=6),
    "classifier-softmax": Head("resnet", _CLASSES, (Output((), (_OBJECT,)),), classes=6),
    "classifier-sigmoid": Head(
        "vit", _CLASSES, (Output((), (_OBJECT,)),), spec.Layout(activation="sigmoid"), classes=6
    ),
    "deeplab": Head("deeplab", _SEMANTIC, (_logits(5, 64, 64),), classes=5),
    "deeplab-small": Head("deeplab", _SEMANTIC, (_logits(5, 16, 12),), classes=5),
    "deeplab-large": Head("deeplab", _SEMANTIC, (_logits(5, 80, 96),), classes=5),
    "deeplab-one-channel": Head("deeplab", _SEMANTIC, (_logits(1, 32, 32),), classes=2),
    "deeplab-auxiliary": Head(
        "deeplab", _SEMANTIC, (_logits(5, 32, 32), _logits(4, 32, 32)), classes=5
    ),
}
"""Every head layout that is served, by a name for test reports."""


@dataclass(frozen=True)
class Recipe:
    """What kind of file to make."""

    outputs: Sequence[Output]
    batch: int | str = "batch"
    opset: int = 17
    dtype: type[np.floating] = np.float32
    scale: float = 1.0
    """Largest value at the network's input, by which the slopes are divided."""
    seed: int = 0
    declared: bool = True
    """Whether the outputs' shapes are noted in the file."""
    names: Sequence[str] = ()
    """Of the outputs."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    sides: tuple[int | str, int | str] = (SIDE, SIDE)
    """Height and width of the input."""


def make(path: Path, recipe: Recipe) -> Path:
    """Write a model file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(build(recipe), path)
    return path


def build(recipe: Recipe) -> onnx.ModelProto:
    """Return a model in memory."""
    random = np.random.default_rng(recipe.seed)
    element = helper.np_dtype_to_tensor_dtype(np.dtype(recipe.dtype))
    names = recipe.names or [f"output{index}" for index in range(len(recipe.outputs))]
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"], axis=1),
    ]
    weights, values = [], []
    for name, output in zip(names, recipe.outputs, strict=True):
        table, slopes = output.tables(random)
        held = {
            f"{name}_table": table.reshape(1, -1).astype(recipe.dtype),
            f"{name}_slopes": (slopes.reshape(3, -1) / recipe.scale).astype(recipe.dtype),
            f"{name}_shape": np.array((0, *output.shape), dtype=np.int64),
        }
        weights += [numpy_helper.from_array(array, key) for key, array in held.items()]
        nodes += [
            helper.make_node("MatMul", ["colour", f"{name}_slopes"], [f"{name}_moved"]),
            helper.make_node("Add", [f"{name}_moved", f"{name}_table"], [f"{name}_flat"]),
            helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name]),
        ]
        shape = (recipe.batch, *output.shape) if recipe.declared else None
        values.append(helper.make_tensor_value_info(name, element, shape))
    picture = (recipe.batch, 3, *recipe.sides)
    images = helper.make_tensor_value_info("images", element, picture)
    model = helper.make_model(
        helper.make_graph(nodes, "head", [images], values, weights),
        opset_imports=[helper.make_opsetid("", recipe.opset)],
        ir_version=6 if recipe.opset < 13 else 8,
    )
    helper.set_model_props(model, dict(recipe.metadata))
    return model


def pictures(count: int, seed: int = 0, side: int = SIDE) -> NDArray[np.uint8]:
    """Return random pictures of different colours, (count, side, side, 3)."""
    random = np.random.default_rng(seed)
    brightest = random.integers(30, 256, (count, 1, 1, 3))
    return (random.random((count, side, side, 3)) * brightest).astype(np.uint8)
