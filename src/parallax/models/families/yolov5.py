"""The heads of YOLOv5 and YOLOv7: anchor boxes with objectness, decoded by the export.

The output is (N, A, 5 + C + E): centre x, centre y, width, height in network pixels, objectness,
C conditional class probabilities, E mask coefficients. The score is objectness times the best
class probability, as in the suppression of both projects. Three anchors sit on each cell.
"""

from collections.abc import Callable, Sequence

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes, grids

_BOX = 4


class YoloV5:
    """Detection; see the module; implements ``base.Family``."""

    name = "yolov5"
    task: str = tasks.OBJECT_DETECTION
    architectures = ("yolov5", "yolov7")
    defaults = base.Defaults()
    suppress = True
    top = base.MAX_CANDIDATES

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``. Outputs of raw feature maps, (N, 3, h, w, 5 + C), are let lie."""
        found = _rows(outputs, network)
        if found is None or any(len(shape) != 5 for shape in outputs[1:]):
            return None
        columns, anchors = found
        return boxes.counted(known, classes=columns - _BOX - 1, anchors=anchors)

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        rows = outputs[0]
        end = _BOX + 1 + layout.classes
        scores, classes = boxes.conditional(ops, rows, layout)
        segmented = layout.coefficients > 0
        return base.Rows(
            boxes=ops.cut(rows, axis=2, start=0, end=_BOX),
            scores=scores,
            classes=classes,
            count=layout.anchors,
            extras=ops.cut(rows, axis=2, start=end, end=end + layout.coefficients)
            if segmented
            else None,
            maps=outputs[1] if segmented else None,
        )


class YoloV5Segment(YoloV5):
    """Instance segmentation: mask coefficients per row, and prototypes (N, P, h, w)."""

    task = tasks.INSTANCE_SEGMENTATION

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        found, plane = _rows(outputs, network, grids.is_dense), boxes.planes(outputs)
        if found is None or plane is None:
            return None
        columns, anchors = found
        layout = boxes.counted(known, classes=columns - _BOX - 1 - plane.count, anchors=anchors)
        return None if layout is None else boxes.with_prototypes(layout, plane)


def _has_anchor_boxes(network: tuple[int, int], rows: int) -> bool:
    """Tell whether a head has so many rows because of three anchor boxes per cell.

    With one row per cell the same columns are those of YOLOX.
    """
    return rows in {
        grids.ANCHORS_PER_CELL * grids.anchor_count(network, strides)
        for strides in (grids.STRIDES, grids.LARGE_STRIDES)
    }


def _rows(
    outputs: Sequence[base.Shape],
    network: tuple[int, int],
    fits: Callable[[tuple[int, int], int], bool] = _has_anchor_boxes,
) -> tuple[int, int] | None:
    """Return columns and anchors of a first output (N, anchors, columns)."""
    if not outputs or len(outputs[0]) != 3:
        return None
    _, anchors, columns = outputs[0]
    if columns is None or anchors is None or not fits(network, anchors):
        return None
    return columns, anchors
