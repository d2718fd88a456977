"""The head of YOLOX: boxes relative to their cell, objectness, class scores.

One output (N, A, 5 + C). As exported by default it is raw: x and y are offsets from the cell in
strides, width and height logarithms of strides (``decode_outputs`` in YOLOX's ``yolo_head.py``);
objectness and classes are probabilities already. Exports with decoding in the graph have pixels in
the same places. Nothing in the shapes tells the two apart, so the second is a variant to be named.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, spec
from parallax.models.families import base, grids


class YoloX:
    """See the module; implements ``base.Family``."""

    name = "yolox"
    architectures: tuple[str, ...] = ("yolox",)
    defaults = base.Defaults(resize="letterbox-top-left", padding=114, color="bgr", scale=1.0)

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int]
    ) -> base.Layout | None:
        """See ``base.Family``."""
        if len(outputs) != 1 or len(outputs[0]) != 3:
            return None
        _, anchors, columns = outputs[0]
        if columns is None or columns < 6 or anchors != grids.anchor_count(network):
            return None
        return base.Layout(classes=columns - 5, anchors=anchors)

    def append(
        self, graph: base.Graph, head: base.Value, network: tuple[int, int], layout: base.Layout
    ) -> base.Decoded:
        """See ``base.Family``."""
        return base.Decoded(
            boxes=self._boxes(graph, head, network),
            classes=graph.cut(head, axis=2, start=5, end=5 + layout.classes),
            objectness=graph.cut(head, axis=2, start=4, end=5),
        )

    def candidates(
        self, outputs: Sequence[NDArray[np.floating]], target: spec.InputSpec
    ) -> NDArray[np.float32]:
        """See ``base.Family``."""
        head = outputs[0]
        anchors = grids.anchor_count((target.width, target.height))
        if head.ndim != 2 or head.shape[0] != anchors or head.shape[1] < 6:
            raise errors.ModelFailedError(
                f"a yolox head has the shape {head.shape}, not ({anchors}, 5 + C)"
            )
        classes = head[:, 5:]
        found = np.empty((anchors, 6), dtype=np.float32)
        found[:, :4] = self._plain_boxes(head[:, :4].astype(np.float32), target)
        found[:, 4] = classes.max(axis=1).astype(np.float32) * head[:, 4]
        found[:, 5] = classes.argmax(axis=1)
        return found

    def _boxes(self, graph: base.Graph, head: base.Value, network: tuple[int, int]) -> base.Value:
        grid, strides = (graph.constant(part[None]) for part in grids.cells(network))
        centres = graph.add(graph.cut(head, axis=2, start=0, end=2), grid)
        sizes = graph.exponential(graph.cut(head, axis=2, start=2, end=4))
        return graph.multiply(graph.join([centres, sizes], axis=2), strides)

    def _plain_boxes(self, raw: NDArray[np.float32], target: spec.InputSpec) -> NDArray[np.float32]:
        grid, strides = grids.cells((target.width, target.height))
        # A size beyond float32 becomes infinite, and post drops boxes that are not finite.
        with np.errstate(over="ignore"):
            return np.concatenate([raw[:, :2] + grid, np.exp(raw[:, 2:4])], axis=1) * strides


class YoloXDecoded(YoloX):
    """YOLOX with box decoding in the exported graph (``decoded = true`` in ``model.toml``)."""

    name = "yolox-decoded"
    architectures = ()

    def _boxes(self, graph: base.Graph, head: base.Value, network: tuple[int, int]) -> base.Value:
        return graph.cut(head, axis=2, start=0, end=4)

    def _plain_boxes(self, raw: NDArray[np.float32], target: spec.InputSpec) -> NDArray[np.float32]:
        return raw
