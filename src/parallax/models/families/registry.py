"""Which families there are. A new head layout is one file beside this one and one row here."""

from collections.abc import Sequence

from parallax.contract import spec, tasks
from parallax.models.families import (
    base,
    classification,
    deeplab,
    rf_detr,
    rtdetr,
    yolo26,
    yolo_nas,
    yolov5,
    yolov8,
    yolox,
)

DECODED_SUFFIX = "-decoded"
"""Ends the name of the variant of a family whose exported graph does more of the decoding."""

SYNONYMS = {
    "yolov7": "yolov5",
    "yolov9": "yolov8",
    "yolov10": "yolo26",
    "yolo11": "yolov8",
    "yolov11": "yolov8",
    "yolo12": "yolov8",
    "yolov12": "yolov8",
    "yolov26": "yolo26",
    "rfdetr": "rf-detr",
    "rt-detr": "rtdetr",
    "yolonas": "yolo-nas",
}
"""Names of models by which a family may be named too."""

FAMILIES: tuple[base.Family, ...] = (
    yolov8.YoloV8(),
    yolov8.YoloV8Segment(),
    yolov8.YoloV8Pose(),
    yolo26.Yolo26(),
    yolo26.Yolo26Segment(),
    yolo26.Yolo26Pose(),
    yolov5.YoloV5(),
    yolov5.YoloV5Segment(),
    yolox.YoloX(),
    yolox.YoloXDecoded(),
    yolo_nas.YoloNas(),
    rtdetr.RtDetr(),
    rtdetr.RtDetrDecoded(),
    rf_detr.RfDetr(),
    rf_detr.RfDetrSegment(),
    *classification.FAMILIES,
    deeplab.DeepLab(),
)


def names() -> tuple[str, ...]:
    """Return the names of all families, without the decoded variants."""
    plain = (family.name for family in FAMILIES if not family.name.endswith(DECODED_SUFFIX))
    return tuple(dict.fromkeys(plain))


def accepted() -> tuple[str, ...]:
    """Return all words that name a family: its name and those of models that it stands for."""
    return tuple(sorted({*names(), *SYNONYMS}))


def of(model: spec.ModelSpec) -> base.Family:
    """Return the family of a served model."""
    return next(f for f in FAMILIES if f.name == model.family and f.task == model.task)


def named(name: str, task: str | None, *, decoded: bool | None = None) -> list[base.Family]:
    """Return the families of this name (in any case) and task, the likelier first; None: any task.

    ``decoded`` says whether the exported graph does more of the decoding than usual; None: it is
    not known, so both variants are in question.
    """
    wanted = SYNONYMS.get(name.lower(), name.lower())
    found = [f for f in FAMILIES if f.name.removesuffix(DECODED_SUFFIX) == wanted]
    return _variants([f for f in found if task in (None, f.task)], decoded)


def by_architecture(
    architecture: str, task: str | None, *, decoded: bool | None = None
) -> list[base.Family]:
    """Return the families that another tool's architecture name (``yolov8n-seg``) belongs to.

    ``decoded``: see ``named``.
    """
    found = [f for f in FAMILIES if architecture.lower().startswith(f.architectures)]
    return _variants([f for f in found if task in (None, f.task)], decoded)


def _variants(families: Sequence[base.Family], decoded: bool | None) -> list[base.Family]:
    """Choose between plain and decoded variants of one family, where it has both."""
    plain = [f for f in families if not f.name.endswith(DECODED_SUFFIX)]
    variants = [f for f in families if f.name.endswith(DECODED_SUFFIX)]
    if decoded is None:
        return plain + variants
    return (variants or plain) if decoded else plain


def possible(
    families: Sequence[base.Family], known: spec.Layout, task: str | None
) -> list[base.Family]:
    """Return those of the families that may be meant; None: the task is not known.

    Keypoints are looked for only where something tells of them, because some number of them fits
    most shapes.
    """
    if task is None and not known.keypoints:
        return [family for family in families if family.task != tasks.KEYPOINT_DETECTION]
    return [family for family in families if task in (None, family.task)]


def recognise(
    outputs: Sequence[base.Shape], network: tuple[int, int], known: spec.Layout, task: str | None
) -> list[base.Family]:
    """Return the families whose head these output shapes may be, without the decoded variants."""
    return [
        family
        for family in possible(FAMILIES, known, task)
        if not family.name.endswith(DECODED_SUFFIX)
        and family.recognise(outputs, network, known) is not None
    ]
