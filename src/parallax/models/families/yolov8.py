"""The heads that Ultralytics exports since YOLOv8 (also v5u, 9, 11, 12, and 10 and 26 with their
one-to-many head): rows of columns, boxes and class scores decoded.

The output is (N, 4 + C + E, A): centre x, centre y, width, height in network pixels, C
probabilities, and E mask coefficients or keypoints in network pixels (Ultralytics documentation,
"Export"; ``Detect``, ``Segment`` and ``Pose`` in ``nn/modules/head.py``).
"""

from collections.abc import Sequence

import msgspec

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes, grids

_BOX = 4


class YoloV8:
    """Detection; see the module; implements ``base.Family``."""

    name = "yolov8"
    task: str = tasks.OBJECT_DETECTION
    architectures = (
        "yolov8",
        "yolov9",
        "yolov10",
        "yolov11",
        "yolo11",
        "yolov12",
        "yolo12",
        "yolov26",
        "yolo26",
    )
    defaults = base.Defaults()
    suppress = True
    top = base.MAX_CANDIDATES

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        found = _rows(outputs, network)
        if len(outputs) != 1 or found is None:
            return None
        columns, anchors = found
        return boxes.counted(known, classes=columns - _BOX, anchors=anchors)

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        rows = ops.transpose(outputs[0], (0, 2, 1))
        end = _BOX + layout.classes
        scores, classes = ops.largest(ops.cut(rows, axis=2, start=_BOX, end=end), axis=2)
        return base.Rows(
            boxes=ops.cut(rows, axis=2, start=0, end=_BOX),
            scores=scores,
            classes=classes,
            count=layout.anchors,
            extras=self._extras(ops, rows, end, layout),
            maps=outputs[1] if layout.coefficients else None,
        )

    def _extras(
        self, ops: base.Ops[base.V], rows: base.V, start: int, layout: spec.Layout
    ) -> base.V | None:
        return None


class YoloV8Segment(YoloV8):
    """Instance segmentation: mask coefficients per row, and prototypes (N, P, h, w)."""

    task = tasks.INSTANCE_SEGMENTATION

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        found, plane = _rows(outputs, network), boxes.planes(outputs)
        if found is None or plane is None:
            return None
        columns, anchors = found
        layout = boxes.counted(known, classes=columns - _BOX - plane.count, anchors=anchors)
        return None if layout is None else boxes.with_prototypes(layout, plane)

    def _extras(
        self, ops: base.Ops[base.V], rows: base.V, start: int, layout: spec.Layout
    ) -> base.V | None:
        return ops.cut(rows, axis=2, start=start, end=start + layout.coefficients)


class YoloV8Pose(YoloV8):
    """Keypoint detection: x, y and mostly a score of each keypoint per row."""

    task = tasks.KEYPOINT_DETECTION

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        found = _rows(outputs, network)
        if len(outputs) != 1 or found is None:
            return None
        columns, anchors = found
        keypoints = known.keypoints
        if not keypoints:
            if not known.classes:
                return None
            keypoints = (columns - _BOX - known.classes) // known.keypoint_values
        classes = columns - _BOX - keypoints * known.keypoint_values
        layout = boxes.counted(known, classes=classes, anchors=anchors)
        if layout is None or keypoints < 1:
            return None
        return msgspec.structs.replace(layout, keypoints=keypoints)

    def _extras(
        self, ops: base.Ops[base.V], rows: base.V, start: int, layout: spec.Layout
    ) -> base.V | None:
        end = start + layout.keypoints * layout.keypoint_values
        points = ops.cut(rows, axis=2, start=start, end=end)
        return boxes.triplets(ops, points, layout.anchors, layout)


def _rows(outputs: Sequence[base.Shape], network: tuple[int, int]) -> tuple[int, int] | None:
    """Return columns and anchors of a first output (N, columns, anchors)."""
    if not outputs or len(outputs[0]) != 3:
        return None
    _, columns, anchors = outputs[0]
    if columns is None or anchors is None or columns <= _BOX:
        return None
    # Other strides than the usual three exist; then only "more anchors than columns" tells the
    # axes.
    if anchors != grids.anchor_count(network) and anchors <= columns:
        return None
    return columns, anchors
