"""Heads of semantic segmentation: logits (N, C, h, w), as DeepLab and its kin export them.

Logits smaller than the input are enlarged to it before the best class of each pixel is taken,
because enlarging the classes afterwards would leave steps. One channel means "class 1 or not" by a
sigmoid, which is a softmax against a logit of 0.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes

_MOST_CLASSES = 255
"""Class ids leave the network as bytes."""


class DeepLab:
    """See the module; implements ``base.Family``."""

    name = "deeplab"
    task: str = tasks.SEMANTIC_SEGMENTATION
    architectures = ("deep-lab", "deeplab", "deep_lab")
    defaults = base.Defaults(
        resize="stretch",
        padding=0,
        mean=base.IMAGENET_MEAN,
        std=base.IMAGENET_STD,
        side=512,
        confidence=0.5,
    )
    suppress = False
    top = 0

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``. Auxiliary logits behind the first are let lie."""
        plane = boxes.planes(outputs[:1])
        if plane is None or any(len(shape) != 4 for shape in outputs):
            return None
        classes = max(plane.count, 2)
        if classes > _MOST_CLASSES or not boxes.fits(known.classes, classes):
            return None
        return msgspec.structs.replace(
            known, classes=classes, coefficients=plane.count, map_size=plane.size
        )

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        width, height = network
        logits = outputs[0]
        if layout.map_size != (height, width):
            logits = ops.resize(logits, height, width)
        if layout.coefficients == 1:
            nothing = ops.multiply(logits, ops.constant(np.zeros(1, np.float32)))
            logits = ops.join([nothing, logits], axis=1)
        shares = ops.softmax(ops.transpose(logits, (0, 2, 3, 1)), axis=3)
        confidence, classes = ops.largest(shares, axis=3)
        # Reshaped first: ONNX Runtime multiplies along a last axis of 1 a number at a time.
        confidence = ops.reshape(confidence, (0, height, width))
        full = ops.multiply(confidence, ops.constant(np.array([255.0], np.float32)))
        return base.Pixels(
            classes=ops.to_bytes(ops.reshape(classes, (0, height, width))),
            confidence=ops.to_bytes(full),
        )
