"""The head that Ultralytics exports since YOLOv8 (also 9, 11, 12): boxes and class scores, decoded.

One output (N, 4 + C, A): centre x, centre y, width, height in network pixels, then C probabilities
(Ultralytics documentation, "Export"; ``Detect`` in ``nn/modules/head.py``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, spec
from parallax.models.families import base, grids


class YoloV8:
    """See the module; implements ``base.Family``."""

    name = "yolov8"
    architectures = ("yolov8", "yolov9", "yolov11", "yolo11", "yolov12", "yolo12")
    defaults = base.Defaults(resize="letterbox", padding=114, color="rgb", scale=255.0)

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int]
    ) -> base.Layout | None:
        """See ``base.Family``."""
        if len(outputs) != 1 or len(outputs[0]) != 3:
            return None
        _, rows, anchors = outputs[0]
        if rows is None or anchors is None or rows < 5:
            return None
        # Other strides than the usual three exist; then only "more anchors than rows" tells the
        # axes.
        if anchors != grids.anchor_count(network) and anchors <= rows:
            return None
        return base.Layout(classes=rows - 4, anchors=anchors)

    def append(
        self, graph: base.Graph, head: base.Value, network: tuple[int, int], layout: base.Layout
    ) -> base.Decoded:
        """See ``base.Family``."""
        rows = graph.transpose(head, (0, 2, 1))
        return base.Decoded(
            boxes=graph.cut(rows, axis=2, start=0, end=4),
            classes=graph.cut(rows, axis=2, start=4, end=4 + layout.classes),
        )

    def candidates(
        self, outputs: Sequence[NDArray[np.floating]], target: spec.InputSpec
    ) -> NDArray[np.float32]:
        """See ``base.Family``."""
        head = outputs[0]
        if head.ndim != 2 or head.shape[0] < 5:
            raise errors.ModelFailedError(
                f"a yolov8 head has the shape {head.shape}, not (4 + C, A)"
            )
        classes = head[4:]
        found = np.empty((head.shape[1], 6), dtype=np.float32)
        found[:, :4] = head[:4].T
        found[:, 4] = classes.max(axis=0)
        found[:, 5] = classes.argmax(axis=0)
        return found
