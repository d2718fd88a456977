"""The head of YOLO-NAS: boxes (N, A, 4) x1, y1, x2, y2 in network pixels and probabilities
(N, A, C), as two outputs in either order.
"""

from collections.abc import Sequence

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes, grids


class YoloNas:
    """See the module; implements ``base.Family``."""

    name = "yolo-nas"
    task: str = tasks.OBJECT_DETECTION
    architectures = ("yolo_nas", "yolo-nas", "yolonas")
    defaults = base.Defaults()
    suppress = True
    top = base.MAX_CANDIDATES

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        found = boxes.pair(outputs)
        if found is None or len(outputs) != 2 or found.anchors != grids.anchor_count(network):
            return None
        return boxes.paired(known, found)

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        scores, classes = ops.largest(outputs[1], axis=2)
        return base.Rows(
            boxes=boxes.centres(ops, outputs[0]),
            scores=scores,
            classes=classes,
            count=layout.anchors,
        )
