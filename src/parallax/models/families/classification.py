"""Heads of classification: one output (N, C) of logits or of probabilities.

The shapes of all of them are the same; what differs is what the networks expect to see and whether
the export still lacks its softmax (or, for classes that do not exclude each other, its sigmoid).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from parallax.contract import spec, tasks
from parallax.models.families import base, boxes

_SIDE = 224


@dataclass(frozen=True, slots=True)
class Classifier:
    """See the module; implements ``base.Family``."""

    name: str
    architectures: tuple[str, ...]
    defaults: base.Defaults
    activation: str
    """What the export leaves to be applied, where the package does not say."""
    task: str = field(default=tasks.CLASSIFICATION, init=False)
    suppress: bool = field(default=False, init=False)
    top: int = field(default=0, init=False)

    def recognise(
        self, outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """See ``base.Family``. Networks with further outputs have the scores first."""
        if not outputs or len(outputs[0]) != 2:
            return None
        classes = outputs[0][1]
        if classes is None or not boxes.fits(known.classes, classes):
            return None
        activation = known.activation or self.activation
        return msgspec.structs.replace(known, classes=classes, activation=activation)

    def decode(
        self,
        ops: base.Ops[base.V],
        outputs: Sequence[base.V],
        network: tuple[int, int],
        layout: spec.Layout,
    ) -> base.Head[base.V]:
        """See ``base.Family``."""
        if layout.activation == "softmax":
            return base.Scores(ops.softmax(outputs[0], axis=1))
        if layout.activation == "sigmoid":
            return base.Scores(ops.sigmoid(outputs[0]))
        return base.Scores(outputs[0])


_ULTRALYTICS = Classifier(
    name="yolov8",
    architectures=("yolov8", "yolov11", "yolo11", "yolov12", "yolo12", "yolo26"),
    # The shorter side is scaled and the middle cut out (``classify_transforms``).
    defaults=base.Defaults(resize="fill", padding=0, side=_SIDE),
    activation="none",
)
_YOLOV5 = Classifier(
    name="yolov5",
    architectures=("yolov5",),
    defaults=base.Defaults(
        resize="fill", padding=0, mean=base.IMAGENET_MEAN, std=base.IMAGENET_STD, side=_SIDE
    ),
    activation="softmax",
)
_VIT = Classifier(
    name="vit",
    architectures=("vit",),
    defaults=base.Defaults(
        resize="stretch", padding=0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), side=_SIDE
    ),
    activation="softmax",
)
_RESNET = Classifier(
    name="resnet",
    architectures=("resnet",),
    defaults=base.Defaults(
        resize="stretch",
        padding=0,
        mean=base.IMAGENET_MEAN,
        std=base.IMAGENET_STD,
        side=_SIDE,
    ),
    activation="softmax",
)
FAMILIES: tuple[Classifier, ...] = (_ULTRALYTICS, _YOLOV5, _VIT, _RESNET)
