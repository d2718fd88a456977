"""The head of YOLOX: boxes relative to their cell, objectness, class scores.

One output (N, A, 5 + C). As exported by default it is raw: x and y are offsets from the cell in
strides, width and height logarithms of strides (``decode_outputs`` in YOLOX's ``yolo_head.py``);
objectness and classes are probabilities already. Exports with decoding in the graph have pixels in
the same places. Nothing in the shapes tells the two apart, so the second is a variant to be named.
"""

from collections.abc import Sequence

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes, grids

_BOX = 4


class YoloX:
    """See the module; implements ``base.Family``."""

    name = "yolox"
    task: str = tasks.OBJECT_DETECTION
    architectures = ("yolox",)
    defaults = base.Defaults(resize="letterbox-top-left", color="bgr", scale=1.0)
    suppress = True
    top = base.MAX_CANDIDATES

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        if len(outputs) != 1 or len(outputs[0]) != 3:
            return None
        _, anchors, columns = outputs[0]
        if columns is None or columns < _BOX + 2 or anchors != grids.anchor_count(network):
            return None
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
        scores, classes = boxes.conditional(ops, rows, layout)
        return base.Rows(
            boxes=self._boxes(ops, rows, network),
            scores=scores,
            classes=classes,
            count=layout.anchors,
        )

    def _boxes(self, ops: base.Ops[base.V], rows: base.V, network: tuple[int, int]) -> base.V:
        grid, strides = (ops.constant(part[None]) for part in grids.cells(network))
        centres = ops.add(ops.cut(rows, axis=2, start=0, end=2), grid)
        sizes = ops.exponential(ops.cut(rows, axis=2, start=2, end=_BOX))
        return ops.multiply(ops.join([centres, sizes], axis=2), strides)


class YoloXDecoded(YoloX):
    """YOLOX with box decoding in the exported graph (``decoded = true`` in ``model.toml``)."""

    name = "yolox-decoded"

    def _boxes(self, ops: base.Ops[base.V], rows: base.V, network: tuple[int, int]) -> base.V:
        return ops.cut(rows, axis=2, start=0, end=_BOX)
