"""The request bodies of the inference routes, one class per task.

The classes check, describe themselves for ``/openapi.json``, and translate themselves into what
the stages need to know. Unknown keys are ignored, and so are the original's fields that mean
nothing here, whatever is in them; integers and numeric texts pass for numbers.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from parallax.contract import messages, spec
from parallax.gateway import problems
from parallax.gateway.roboflow import fields, thresholds

MASK_DETAIL = {"accurate": 1.0, "fast": 0.0}
TRADEOFF = "tradeoff"

_DEFAULTS = messages.DetectionParams()
_CONFIDENCE = Meta(
    description="Least score. `best` and `default` stand for what the model's package says."
)
_DRAW = Meta(description="Add a JPEG with the findings drawn on it, as `visualization`.")
_STROKE = Meta(description="Width of the drawn lines in pixels.")


class Call(msgspec.Struct, gc=False, kw_only=True):
    """What the requests of all tasks have in common."""

    model_id: Annotated[fields.Text, Meta(description="Id or alias of a model.")]
    image: Annotated[
        fields.ImageField | list[fields.ImageField],
        Meta(description="One picture, answered by an object, or several, answered by a list."),
    ]
    id: Annotated[
        fields.Text | msgspec.UnsetType, Meta(description="Comes back as `inference_id`.")
    ] = msgspec.UNSET
    disable_preproc_auto_orient: Annotated[
        bool | None, Meta(description="Leave the picture as stored, whatever EXIF says.")
    ] = False
    disable_preproc_static_crop: Annotated[
        bool | None, Meta(description="Leave out the model's crop.")
    ] = False
    disable_preproc_grayscale: Annotated[
        bool | None, Meta(description="Leave out the model's grayscale step.")
    ] = False
    disable_preproc_contrast: Annotated[
        bool | None, Meta(description="Leave out the model's contrast step.")
    ] = False

    def params(self, model: spec.ModelSpec) -> messages.Params:
        """Return what the stages need to know to answer this with a model.

        Raises:
            BadRequestError: values that contradict each other.
        """
        raise NotImplementedError

    def options(self) -> messages.ImageOptions:
        """Return which steps of preprocessing are wanted."""
        return messages.ImageOptions(
            auto_orient=not self.disable_preproc_auto_orient,
            static_crop=not self.disable_preproc_static_crop,
            grayscale=not self.disable_preproc_grayscale,
            contrast=not self.disable_preproc_contrast,
        )


class DetectionCall(Call, gc=False, kw_only=True):
    """Asks for boxes."""

    confidence: Annotated[fields.Threshold, _CONFIDENCE] = _DEFAULTS.confidence
    iou_threshold: Annotated[
        fields.Finite | None, Meta(description="Boxes of a class that overlap more are one.")
    ] = _DEFAULTS.iou_threshold
    max_detections: Annotated[
        fields.Count | None, Meta(description="Most findings per picture.")
    ] = _DEFAULTS.max_detections
    class_agnostic_nms: Annotated[
        bool | None, Meta(description="Let boxes of different classes suppress each other.")
    ] = False
    class_filter: Annotated[
        fields.Names | None, Meta(description="Names of the classes to keep; none means all.")
    ] = None
    visualize_predictions: Annotated[bool | None, _DRAW] = False
    visualization_labels: Annotated[
        bool | None, Meta(description="Write class and confidence beside each box.")
    ] = False
    visualization_stroke_width: Annotated[fields.Stroke | None, _STROKE] = 1

    def params(self, model: spec.ModelSpec) -> messages.Params:
        """See ``Call.params``."""
        return self._boxed(model)

    def _boxed(self, model: spec.ModelSpec) -> messages.DetectionParams:
        least, by_class = thresholds.resolve(self.confidence, model)
        iou, most = self.iou_threshold, self.max_detections
        return messages.DetectionParams(
            confidence=least,
            iou_threshold=_DEFAULTS.iou_threshold if iou is None else iou,
            max_detections=_DEFAULTS.max_detections if most is None else most,
            class_agnostic_nms=bool(self.class_agnostic_nms),
            class_filter=tuple(self.class_filter) if self.class_filter else None,
            class_confidence=by_class,
            drawing=_drawing(
                self.visualize_predictions,
                self.visualization_labels,
                self.visualization_stroke_width,
            ),
        )


class SegmentationCall(DetectionCall, gc=False, kw_only=True):
    """Asks for boxes with masks."""

    mask_decode_mode: Annotated[
        str | None,
        Meta(description="How finely masks are cut out: `accurate`, `fast` or `tradeoff`."),
    ] = "accurate"
    tradeoff_factor: Annotated[
        float | None, Meta(description="For `tradeoff`: 0 is `fast`, 1 is `accurate`.")
    ] = 0.0
    response_mask_format: Annotated[
        Literal["polygon", "rle"], Meta(description="`rle`: compressed run lengths as in COCO.")
    ] = "polygon"

    def params(self, model: spec.ModelSpec) -> messages.Params:
        """See ``Call.params``."""
        return messages.SegmentationParams(
            **msgspec.structs.asdict(self._boxed(model)),
            mask_format=self.response_mask_format,
            mask_detail=_mask_detail(self.mask_decode_mode, self.tradeoff_factor),
        )


class KeypointCall(DetectionCall, gc=False, kw_only=True):
    """Asks for boxes with keypoints."""

    confidence: Annotated[
        fields.Finite | Literal["default"],
        Meta(description="Least score. `default` stands for what the model's package says."),
    ] = _DEFAULTS.confidence
    keypoint_confidence: Annotated[
        fields.Finite | None, Meta(description="Keypoints of this score or less are left out.")
    ] = 0.0

    def params(self, model: spec.ModelSpec) -> messages.Params:
        """See ``Call.params``."""
        return messages.KeypointParams(
            **msgspec.structs.asdict(self._boxed(model)),
            keypoint_confidence=self.keypoint_confidence or 0.0,
        )


class ClassificationCall(Call, gc=False, kw_only=True):
    """Asks for classes."""

    confidence: Annotated[fields.Threshold, _CONFIDENCE] = 0.4
    visualize_predictions: Annotated[bool | None, _DRAW] = False
    visualization_stroke_width: Annotated[fields.Stroke | None, _STROKE] = 1

    def params(self, model: spec.ModelSpec) -> messages.Params:
        """See ``Call.params``."""
        return messages.ClassificationParams(
            confidence=thresholds.for_all(self.confidence, model),
            drawing=_drawing(self.visualize_predictions, None, self.visualization_stroke_width),
        )


class SemanticCall(Call, gc=False, kw_only=True):
    """Asks for the class of each pixel."""

    confidence: Annotated[fields.Threshold, _CONFIDENCE] = 0.4
    response_mask_format: Annotated[
        Literal["base64_png", "numpy"], Meta(description="Masks are PNGs in base64 either way.")
    ] = "base64_png"

    def params(self, model: spec.ModelSpec) -> messages.Params:
        """See ``Call.params``."""
        return messages.SemanticParams(confidence=thresholds.for_all(self.confidence, model))


def _drawing(
    wanted: bool | None, labels: bool | None, stroke: int | None
) -> messages.Drawing | None:
    if not wanted:
        return None
    return messages.Drawing(labels=bool(labels), stroke=1 if stroke is None else stroke)


def _mask_detail(mode: str | None, factor: float | None) -> float:
    factor = 0.0 if factor is None else factor
    if not 0.0 <= factor <= 1.0:
        raise problems.BadRequestError(f"tradeoff_factor must be from 0 to 1, not {factor:g}.")
    if mode == TRADEOFF:
        return factor
    try:
        return MASK_DETAIL[mode or "accurate"]
    except KeyError:
        allowed = ", ".join((*MASK_DETAIL, TRADEOFF))
        raise problems.BadRequestError(f"mask_decode_mode must be one of {allowed}.") from None
