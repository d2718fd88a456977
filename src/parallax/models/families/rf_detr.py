"""The head of RF-DETR, and of RT-DETR as other tools export it: queries with boxes and logits.

Two outputs in either order: boxes (N, Q, 4) centre x, centre y, width, height in shares of the
input, and logits (N, Q, C). Each pair of query and class is a row of its own, so one query may
answer with several classes; the best 300 rows are kept (``PostProcess`` of Deformable DETR, which
both projects use). Segmentation adds mask logits (N, Q, h, w).
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes, grids

_MOST_ROWS = 300


class RfDetr:
    """Detection; see the module; implements ``base.Family``."""

    name = "rf-detr"
    task: str = tasks.OBJECT_DETECTION
    architectures = ("rfdetr", "rf-detr")
    defaults = base.Defaults(
        resize="stretch", padding=0, mean=base.IMAGENET_MEAN, std=base.IMAGENET_STD, side=560
    )
    suppress = False
    top = _MOST_ROWS

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        if len(outputs) != 2:
            return None
        return _layout(outputs, network, known)

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        queries, classes = layout.anchors, layout.classes
        rows = queries * classes
        scores = ops.reshape(ops.sigmoid(outputs[1]), (0, rows))
        placed = boxes.scaled(ops, outputs[0], network)
        spread = ops.expand(ops.reshape(placed, (0, queries, 1, 4)), (1, 1, classes, 1))
        query, of_class = np.divmod(np.arange(rows), classes)
        extras = None
        if layout.map_size is not None:
            extras = ops.reshape(boxes.repeated(ops, query, scores), (0, rows, 1))
        return base.Rows(
            boxes=ops.reshape(spread, (0, rows, 4)),
            scores=ops.reshape(scores, (0, rows, 1)),
            classes=ops.reshape(boxes.repeated(ops, of_class, scores), (0, rows, 1)),
            count=rows,
            extras=extras,
            maps=outputs[2] if layout.map_size is not None else None,
        )


class RfDetrSegment(RfDetr):
    """Instance segmentation: mask logits (N, Q, h, w), one plane per query."""

    task = tasks.INSTANCE_SEGMENTATION

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        plane = boxes.planes(outputs)
        if len(outputs) != 3 or plane is None:
            return None
        layout = _layout(outputs, network, known)
        if layout is None or plane.count != layout.anchors:
            return None
        order = (*layout.order, plane.index)
        return msgspec.structs.replace(layout, map_size=plane.size, order=order)


def _layout(
    outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
) -> spec.Layout | None:
    found = boxes.pair(outputs)
    if found is None or grids.is_dense(network, found.anchors):
        return None
    return boxes.paired(known, found)
