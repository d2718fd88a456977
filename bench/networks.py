"""Writes networks to measure servers with: real structure and real cost, random weights.

    python -m bench.networks FOLDER [tiny yolov8n ...]

No weights can be shipped or fetched, and none are needed: what a run costs hangs on the shapes.
``yolov8n`` is the published architecture (depth 1/3, width 1/4, 80 classes, 640x640: 3.15 million
weights), written down from the papers' figures: C2f blocks (CSP with every step concatenated),
SPPF, a feature pyramid in both directions, and a head that predicts distances as distributions
(X. Li et al., "Generalized Focal Loss", 2020). ``tiny`` takes about a millisecond of one core with
the same head, so that it shows what a server adds. The classes' bias is set such that about
``PASSING`` anchors of a scene have a score over 0.4. The same versions of NumPy and ONNX Runtime
write the same bytes.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from parallax.demo import scenes

Floats = NDArray[np.float32]

PASSING = 12
"""Anchors of a scene over ``CONFIDENCE``, in the mean: what suppression has to do."""
CONFIDENCE = 0.4
SPREAD = 1.2
"""Standard deviation of the class scores' logits."""
BINS = 16
"""Of the distribution of a distance, in strides."""
STRIDES = (8, 16, 32)

_SILU_GAIN = 0.3558
"""Mean square of SiLU of a standard normal variable."""
_OPSET, _IR = 18, 10


class Graph:
    """An ONNX graph that is written from input to output; tensors are names, (N, C, H, W)."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.channels: dict[str, int] = {"images": 3}
        self._rng = np.random.default_rng(seed)

    def add(self, kind: str, inputs: Sequence[str], channels: int = 0, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self.channels[name] = channels or self.channels[inputs[0]]
        return name

    def constant(self, value: object, kind: type[np.generic] = np.float32) -> str:
        """Add a constant, and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.asarray(value, kind)
        return name

    def plain(self, x: str, out: int, kernel: int = 1, stride: int = 1) -> str:
        """A convolution with a bias; weights keep the variance of activations (He et al., 2015)."""
        shape = (out, self.channels[x], kernel, kernel)
        gain = 1.0 if x == "images" else _SILU_GAIN
        deviation = (gain * shape[1] * kernel * kernel) ** -0.5
        weights = self._rng.standard_normal(shape) * deviation
        parts = [x, self.constant(weights), self.constant(np.zeros(out))]
        padding = [kernel // 2] * 4
        sizes = {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": padding}
        return self.add("Conv", parts, out, **sizes)

    def conv(self, x: str, out: int, kernel: int = 3, stride: int = 1) -> str:
        """A convolution and SiLU."""
        y = self.plain(x, out, kernel, stride)
        return self.add("Mul", [y, self.add("Sigmoid", [y])])

    def concat(self, parts: Sequence[str]) -> str:
        """Concatenate channels."""
        return self.add("Concat", parts, sum(self.channels[part] for part in parts), axis=1)

    def c2f(self, x: str, out: int, repeats: int, shortcut: bool) -> str:
        """Half of the channels through bottlenecks; every step's result is concatenated."""
        half = out // 2
        y = self.conv(x, out, 1)
        names = [f"{y}_left", f"{y}_right"]
        sizes = self.constant([half, half], np.int64)
        self.nodes.append(helper.make_node("Split", [y, sizes], names, axis=1))
        self.channels |= dict.fromkeys(names, half)
        for _ in range(repeats):
            z = self.conv(self.conv(names[-1], half), half)
            names.append(self.add("Add", [names[-1], z]) if shortcut else z)
        return self.conv(self.concat(names), out, 1)

    def sppf(self, x: str, out: int) -> str:
        """Three maximum poolings of 5x5 in a row, concatenated."""
        parts = [self.conv(x, out // 2, 1)]
        for _ in range(3):
            parts.append(self.add("MaxPool", parts[-1:], kernel_shape=[5, 5], pads=[2, 2, 2, 2]))
        return self.conv(self.concat(parts), out, 1)

    def double(self, x: str) -> str:
        """Enlarge twice, nearest."""
        scales = self.constant([1, 1, 2, 2])
        places = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", [x, "", scales], self.channels[x], mode="nearest", **places)


def nano(graph: Graph) -> list[str]:
    """Backbone and neck of YOLOv8n: three maps, at strides 8, 16 and 32."""
    x = graph.conv(graph.conv("images", 16, stride=2), 32, stride=2)
    x = graph.c2f(x, 32, 1, True)
    fine = graph.c2f(graph.conv(x, 64, stride=2), 64, 2, True)
    middle = graph.c2f(graph.conv(fine, 128, stride=2), 128, 2, True)
    x = graph.c2f(graph.conv(middle, 256, stride=2), 256, 1, True)
    coarse = graph.sppf(x, 256)
    up = graph.c2f(graph.concat([graph.double(coarse), middle]), 128, 1, False)
    first = graph.c2f(graph.concat([graph.double(up), fine]), 64, 1, False)
    second = graph.c2f(graph.concat([graph.conv(first, 64, stride=2), up]), 128, 1, False)
    x = graph.concat([graph.conv(second, 128, stride=2), coarse])
    return [first, second, graph.c2f(x, 256, 1, False)]


def plain_stack(graph: Graph) -> list[str]:
    """Nothing but convolutions of stride 2."""
    x = graph.conv(graph.conv("images", 4, stride=2), 8, stride=2)
    maps = []
    for channels in (16, 24, 32):
        x = graph.conv(x, channels, stride=2)
        maps.append(x)
    return maps


def head(graph: Graph, maps: list[str], side: int, classes: int, widths: tuple[int, int]) -> None:
    """Boxes and class probabilities, (N, 4 + classes, anchors), boxes in pixels of the network.

    ``widths`` are the channels of the two branches, boxes' and classes', 0 for none. The logits of
    the classes are the tensors ``scores_0`` to ``scores_2``, (N, classes, anchors of the map).
    """
    boxes: list[str] = []
    scores: list[str] = []
    for level, feature in enumerate(maps):
        for parts, width, out in ((boxes, widths[0], 4 * BINS), (scores, widths[1], classes)):
            x = graph.conv(graph.conv(feature, width), width) if width else feature
            shape = graph.constant([0, out, -1], np.int64)
            parts.append(graph.add("Reshape", [graph.plain(x, out), shape], out))
        graph.nodes[-1].output[0] = scores[-1] = f"scores_{level}"
    probabilities = graph.add("Sigmoid", [graph.add("Concat", scores, classes, axis=2)])
    placed = _boxes(graph, graph.add("Concat", boxes, axis=2), side)
    graph.add("Concat", [placed, probabilities], axis=1)


def _boxes(graph: Graph, bins: str, side: int) -> str:
    """Turn (N, 64, anchors) into centre x, centre y, width, height: the mean of each distribution
    is the distance of an edge from the anchor's centre, in strides."""
    rows = graph.add("Reshape", [bins, graph.constant([0, 4, BINS, -1], np.int64)])
    steps = graph.constant(np.arange(BINS).reshape(1, 1, BINS, 1))
    weighted = graph.add("Mul", [graph.add("Softmax", [rows], axis=2), steps])
    distances = graph.add("ReduceSum", [weighted, graph.constant([2], np.int64)], keepdims=0)
    sizes = graph.constant([2, 2], np.int64)
    graph.nodes.append(helper.make_node("Split", [distances, sizes], ["before", "after"], axis=1))
    centres, strides = (graph.constant(each) for each in _anchors(side))
    low = graph.add("Sub", [centres, "before"], 2)
    high = graph.add("Add", [centres, "after"], 2)
    middle = graph.add("Mul", [graph.add("Add", [low, high]), graph.constant(0.5)])
    corners = graph.add("Concat", [middle, graph.add("Sub", [high, low])], axis=1)
    return graph.add("Mul", [corners, strides])


def _anchors(side: int) -> tuple[Floats, Floats]:
    """Return the centres (1, 2, anchors) in strides, and the strides (1, 1, anchors)."""
    centres, strides = [], []
    for stride in STRIDES:
        steps = np.arange(side // stride, dtype=np.float32) + 0.5
        centres.append(np.stack(np.meshgrid(steps, steps)).reshape(2, -1))
        strides.append(np.full(centres[-1].shape[1], stride, np.float32))
    return np.concatenate(centres, 1)[None], np.concatenate(strides)[None, None]


def calibrate(graph: Graph, side: int) -> None:
    """Set gain and bias of the classes' last convolutions by what scenes give."""
    names = [f"scores_{level}" for level in range(len(STRIDES))]
    session = onnxruntime.InferenceSession(model(graph, names, side).SerializeToString())
    logits: list[list[Floats]] = []
    for seed in range(8):
        image = scenes.generate(seed, (side, side * 3 // 4)).image.resize((side, side))
        blob = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
        logits.append(session.run(names, {"images": blob}))
    best = []
    for level, name in enumerate(names):
        values = np.concatenate([each[level] for each in logits])
        gain, means = SPREAD / values.std(), values.mean(axis=(0, 2))
        weights, bias = _last_convolution(graph, name)
        graph.constants[weights] = graph.constants[weights] * np.float32(gain)
        graph.constants[bias] = (-means * gain).astype(np.float32)
        best.append(((values - means[:, None]) * gain).max(axis=1))
    highest = np.sort(np.concatenate(best, axis=1), axis=None)[-PASSING * len(logits)]
    shift = np.log(CONFIDENCE / (1 - CONFIDENCE)) - highest
    for name in names:
        _, bias = _last_convolution(graph, name)
        graph.constants[bias] = graph.constants[bias] + np.float32(shift)


def _last_convolution(graph: Graph, logits: str) -> tuple[str, str]:
    """Return the names of the weights and the bias behind a reshaped map of logits."""
    source = next(node.input[0] for node in graph.nodes if logits in node.output)
    node = next(node for node in graph.nodes if source in node.output)
    return node.input[1], node.input[2]


def model(graph: Graph, outputs: list[str], side: int) -> onnx.ModelProto:
    """Return the graph as a model for one picture, (1, 3, side, side) in 0 to 1."""
    kind = onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("images", kind, [1, 3, side, side])]
    results = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    constants = [numpy_helper.from_array(value, name) for name, value in graph.constants.items()]
    body = helper.make_graph(graph.nodes, "detector", inputs, results, constants)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)


def build(name: str) -> onnx.ModelProto:
    """Return the network of this name, with the metadata that tells a server how to use it."""
    recipe = RECIPES[name]
    graph = Graph(seed=len(name))
    head(graph, recipe.features(graph), recipe.side, recipe.classes, recipe.widths)
    calibrate(graph, recipe.side)
    graph.nodes[-1].output[0] = "output0"
    made = model(graph, ["output0"], recipe.side)
    labels = {index: f"class {index}" for index in range(recipe.classes)}
    sides = str([recipe.side, recipe.side])
    helper.set_model_props(made, {"task": "detect", "names": str(labels), "imgsz": sides})
    return onnx.shape_inference.infer_shapes(made, check_type=True, strict_mode=True)


@dataclass(frozen=True)
class Recipe:
    """What a network is made of."""

    features: Callable[[Graph], list[str]]
    side: int
    """Of the input, pixels."""
    classes: int
    widths: tuple[int, int]


RECIPES = {
    "tiny": Recipe(plain_stack, 320, 20, (0, 0)),
    "yolov8n": Recipe(nano, 640, 80, (64, 80)),
}


def write(name: str, folder: Path) -> Path:
    """Write a package of models, ``FOLDER/NAME/1/weights.onnx``, and return the file."""
    path = folder / name / "1" / "weights.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(build(name), path)
    return path


def main() -> None:
    """Write the networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(RECIPES))
    options = parser.parse_args()
    for name in options.names:
        print(write(name, options.folder))


if __name__ == "__main__":
    main()
