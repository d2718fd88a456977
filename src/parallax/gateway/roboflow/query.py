"""The query of the v0 route, and how it translates into a call of a v1 route."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from parallax.contract import messages, tasks
from parallax.gateway import problems
from parallax.gateway.roboflow import calls, fields, kinds, thresholds

LEAST_CONFIDENCE = 0.01
"""Below it a picture could have a box for every anchor."""
JPEG = "image"
JSON_AND_JPEG = "image_and_json"

_PERCENT = "From 1 on it is read as percent. "
_SKIP = Meta(description="Leave out this step of preprocessing.")


class Query(msgspec.Struct, kw_only=True):
    """What may stand behind the question mark."""

    image: Annotated[
        str | None, Meta(description="URL of the picture; a body is ignored then.")
    ] = None
    image_type: Annotated[
        str, Meta(description="What a body of text is: `base64`, `url` or `numpy`.")
    ] = "base64"
    confidence: Annotated[
        fields.Threshold,
        Meta(description=_PERCENT + "`best` and `default` are the model package's."),
    ] = 0.4
    overlap: Annotated[
        fields.Finite,
        Meta(description=_PERCENT + "Boxes of a class that overlap more are one."),
    ] = 0.3
    keypoint_confidence: fields.Finite = 0.0
    format: Annotated[
        str,
        Meta(
            description="`json`; `image` for a JPEG with the findings drawn on it; "
            "`image_and_json` for both in JSON."
        ),
    ] = "json"
    labels: Annotated[bool, Meta(description="Write class and confidence beside each box.")] = False
    stroke: Annotated[fields.Stroke, Meta(description="Width of the drawn lines.")] = 1
    max_detections: fields.Count = 300
    mask_decode_mode: Annotated[str, Meta(description="`accurate`, `fast` or `tradeoff`.")] = (
        "accurate"
    )
    tradeoff_factor: Annotated[
        float, Meta(description="For `tradeoff`: 0 is `fast`, 1 is `accurate`.")
    ] = 0.0
    response_mask_format: Literal["polygon", "rle"] = "polygon"
    disable_preproc_auto_orient: Annotated[bool, _SKIP] = False
    disable_preproc_static_crop: Annotated[bool, _SKIP] = False
    disable_preproc_grayscale: Annotated[bool, _SKIP] = False
    disable_preproc_contrast: Annotated[bool, _SKIP] = False

    def call(self, kind: kinds.Kind, model_id: str) -> calls.Call:
        """Return the same as a call of the v1 route of a task, but for the picture.

        Raises:
            InvalidBodyError: the task does not know this value.
        """
        if kind.task == tasks.KEYPOINT_DETECTION and self.confidence == "best":
            raise problems.InvalidBodyError(
                "Keypoint detection does not know `best`", ("query", "confidence")
            )
        wishes: dict[str, Any] = {
            **msgspec.structs.asdict(self),
            "confidence": _least(self.confidence),
            "iou_threshold": _share(self.overlap),
        }
        if kind.task == tasks.SEMANTIC_SEGMENTATION:
            del wishes["response_mask_format"]  # the masks of this task have one format only
        known = {name: wishes[name] for name in kind.call.__struct_fields__ if name in wishes}
        return kind.call(**known | {"model_id": model_id, "image": []})

    def drawing(self) -> messages.Drawing | None:
        """Return what is to be drawn."""
        if self.format not in (JPEG, JSON_AND_JPEG):
            return None
        return messages.Drawing(self.labels, self.stroke, alone=self.format == JPEG)


def _share(number: float) -> float:
    return number / 100 if number >= 1 else number


def _least(confidence: float | thresholds.Word) -> float | thresholds.Word:
    if isinstance(confidence, str):
        return confidence
    return max(LEAST_CONFIDENCE, _share(confidence))
