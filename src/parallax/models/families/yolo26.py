"""Heads whose rows are final: YOLOv10, YOLO26, and any export with suppression in its graph.

The output is (N, A, 6 + E): x1, y1, x2, y2 in network pixels, score, class id, and E mask
coefficients or keypoints in network pixels (Ultralytics documentation, "End-to-end detection").
Rows of padding have the score 0.
"""

from collections.abc import Sequence

import msgspec

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes

_COLUMNS = 6


class Yolo26:
    """Detection; see the module; implements ``base.Family``."""

    name = "yolo26"
    task: str = tasks.OBJECT_DETECTION
    architectures = ("yolov10", "yolov26", "yolo26")
    defaults = base.Defaults()
    suppress = False
    top = base.MAX_CANDIDATES

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``. The number of classes is not in the shapes."""
        rows = boxes.ranked(outputs, network)
        if rows is None or len(outputs) != 1 or rows[1] != _COLUMNS:
            return None
        return msgspec.structs.replace(known, anchors=rows[0])

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        rows = outputs[0]
        return base.Rows(
            boxes=boxes.centres(ops, ops.cut(rows, axis=2, start=0, end=4)),
            scores=ops.cut(rows, axis=2, start=4, end=5),
            classes=ops.cut(rows, axis=2, start=5, end=_COLUMNS),
            count=layout.anchors,
            extras=self._extras(ops, rows, layout),
            maps=outputs[1] if layout.coefficients else None,
        )

    def _extras(self, ops: base.Ops[base.V], rows: base.V, layout: spec.Layout) -> base.V | None:
        return None


class Yolo26Segment(Yolo26):
    """Instance segmentation: mask coefficients per row, and prototypes (N, P, h, w)."""

    task = tasks.INSTANCE_SEGMENTATION

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        rows, plane = boxes.ranked(outputs, network), boxes.planes(outputs)
        if rows is None or plane is None or rows[1] != _COLUMNS + plane.count:
            return None
        return boxes.with_prototypes(msgspec.structs.replace(known, anchors=rows[0]), plane)

    def _extras(self, ops: base.Ops[base.V], rows: base.V, layout: spec.Layout) -> base.V | None:
        return ops.cut(rows, axis=2, start=_COLUMNS, end=_COLUMNS + layout.coefficients)


class Yolo26Pose(Yolo26):
    """Keypoint detection: x, y and mostly a score of each keypoint per row."""

    task = tasks.KEYPOINT_DETECTION

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        rows = boxes.ranked(outputs, network)
        if rows is None or len(outputs) != 1:
            return None
        keypoints, rest = divmod(rows[1] - _COLUMNS, known.keypoint_values)
        if rest or not boxes.fits(known.keypoints, keypoints):
            return None
        return msgspec.structs.replace(known, anchors=rows[0], keypoints=keypoints)

    def _extras(self, ops: base.Ops[base.V], rows: base.V, layout: spec.Layout) -> base.V | None:
        end = _COLUMNS + layout.keypoints * layout.keypoint_values
        points = ops.cut(rows, axis=2, start=_COLUMNS, end=end)
        return boxes.triplets(ops, points, layout.anchors, layout)
