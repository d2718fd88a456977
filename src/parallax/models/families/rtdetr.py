"""The head of RT-DETR as Ultralytics exports it: queries with boxes and probabilities in one
output.

Older exports have (N, Q, 4 + C): centre x, centre y, width, height in shares of the input, then C
probabilities; a query answers with its best class. Newer ones rank in the graph and have
(N, Q, 6): the box in shares, score, class id.
"""

from collections.abc import Sequence

import msgspec

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes

_BOX = 4


class RtDetr:
    """See the module; implements ``base.Family``."""

    name = "rtdetr"
    task: str = tasks.OBJECT_DETECTION
    architectures = ("rtdetr", "rt-detr")
    defaults = base.Defaults(resize="stretch")
    suppress = False
    top = base.MAX_CANDIDATES

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``."""
        found = boxes.ranked(outputs, network)
        if found is None or len(outputs) != 1:
            return None
        queries, columns = found
        return boxes.counted(known, classes=columns - _BOX, anchors=queries)

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        rows = outputs[0]
        scores, classes = self._best(ops, rows, layout)
        return base.Rows(
            boxes=boxes.scaled(ops, ops.cut(rows, axis=2, start=0, end=_BOX), network),
            scores=scores,
            classes=classes,
            count=layout.anchors,
        )

    def _best(
        self, ops: base.Ops[base.V], rows: base.V, layout: spec.Layout
    ) -> tuple[base.V, base.V]:
        end = _BOX + layout.classes
        return ops.largest(ops.cut(rows, axis=2, start=_BOX, end=end), axis=2)


class RtDetrDecoded(RtDetr):
    """RT-DETR with ranking in the exported graph."""

    name = "rtdetr-decoded"

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``. The number of classes is not in the shapes."""
        found = boxes.ranked(outputs, network)
        if found is None or len(outputs) != 1 or found[1] != _BOX + 2:
            return None
        return msgspec.structs.replace(known, anchors=found[0])

    def _best(
        self, ops: base.Ops[base.V], rows: base.V, layout: spec.Layout
    ) -> tuple[base.V, base.V]:
        scores = ops.cut(rows, axis=2, start=_BOX, end=_BOX + 1)
        return scores, ops.cut(rows, axis=2, start=_BOX + 1, end=_BOX + 2)
