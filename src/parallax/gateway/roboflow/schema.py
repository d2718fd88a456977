"""The request body of object detection: its fields, their leniencies, and what a violation says.

Unknown keys are ignored; integers and numeric strings pass for floats.
"""

import math
import re
from typing import Annotated

import msgspec

from parallax.contract import messages
from parallax.gateway import problems

DEFAULT_CONFIDENCE = 0.4
NAMED_CONFIDENCES = frozenset({"best", "default"})
"""Stand for a threshold stored with the model; packages with one are not read yet."""


_LONGEST_TEXT = 256
"""Bound of what is copied per picture and hop, or repeated in answers."""
_Text = Annotated[str, msgspec.Meta(max_length=_LONGEST_TEXT)]


class ImageField(msgspec.Struct, gc=False):
    """One picture; the value is looked at only once the type is known."""

    type: str
    value: msgspec.Raw = msgspec.Raw(b"null")


class DetectionCall(msgspec.Struct, gc=False):
    """The fields that mean something here. Those for telemetry are ignored like unknown ones."""

    image: ImageField | list[ImageField]
    model_id: _Text | None = None
    id: _Text | msgspec.UnsetType = msgspec.UNSET
    confidence: float | str = DEFAULT_CONFIDENCE
    iou_threshold: float | None = None
    max_detections: int | None = None
    class_agnostic_nms: bool | None = None
    class_filter: list[_Text] | None = None
    visualize_predictions: bool | None = None
    disable_preproc_auto_orient: bool | None = None


_decoder = msgspec.json.Decoder(DetectionCall, strict=False)
_PLACE = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_MISSING = re.compile(r"missing required field `(.+?)`")
_MOST_DETECTIONS = 1_000_000
_MOST_CLASSES = 1000


def parse(body: bytes) -> DetectionCall:
    """Return the checked call.

    Raises:
        InvalidBodyError: not JSON, or a field that is missing or of the wrong type.
    """
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as problem:
        raise _violation(str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise problems.InvalidBodyError(
            f"The body is not valid JSON: {problem}", kind="json_invalid"
        ) from None
    except RecursionError:
        raise problems.InvalidBodyError(
            "The body is nested too deeply.", kind="json_invalid"
        ) from None


def images(call: DetectionCall, most: int) -> list[ImageField]:
    """Return the pictures as a list, whether one or several were sent.

    Raises:
        InvalidBodyError: none, or too many.
    """
    if isinstance(call.image, ImageField):
        return [call.image]
    if not 1 <= len(call.image) <= most:
        raise problems.InvalidBodyError(
            f"Between 1 and {most} images are allowed in one request, got {len(call.image)}.",
            ("body", "image"),
            "too_short" if not call.image else "too_long",
        )
    return call.image


def model_id(call: DetectionCall) -> str:
    """Return the model id.

    Raises:
        InvalidBodyError: there is none.
    """
    if call.model_id is None:
        raise problems.InvalidBodyError("Field required", ("body", "model_id"), "missing")
    return call.model_id


def params(call: DetectionCall) -> messages.DetectionParams:
    """Return what the stages need to know; null means the default.

    Raises:
        InvalidBodyError: a number is out of range.
    """
    defaults = _DEFAULTS
    iou = defaults.iou_threshold if call.iou_threshold is None else call.iou_threshold
    most = defaults.max_detections if call.max_detections is None else call.max_detections
    if not math.isfinite(iou):
        raise _out_of_range("iou_threshold", "a finite number", str(iou))
    if not 0 <= most <= _MOST_DETECTIONS:
        raise _out_of_range("max_detections", f"from 0 to {_MOST_DETECTIONS}", str(most))
    return messages.DetectionParams(
        confidence=_confidence(call.confidence),
        iou_threshold=iou,
        max_detections=most,
        class_agnostic_nms=bool(call.class_agnostic_nms),
        class_filter=_class_filter(call.class_filter),
    )


def _class_filter(names: list[str] | None) -> tuple[str, ...] | None:
    if not names:
        return None
    if len(names) > _MOST_CLASSES:
        raise _out_of_range("class_filter", f"at most {_MOST_CLASSES} names", str(len(names)))
    return tuple(names)


_DEFAULTS = messages.DetectionParams()


def _confidence(given: float | str) -> float:
    if given in NAMED_CONFIDENCES:
        return DEFAULT_CONFIDENCE
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _out_of_range("confidence", 'a number, "best" or "default"', str(given))
    return value


def _out_of_range(field: str, allowed: str, given: str) -> problems.InvalidBodyError:
    return problems.InvalidBodyError(
        f"{field} must be {allowed}", ("body", field), "value_error", given[:100]
    )


def _violation(message: str) -> problems.InvalidBodyError:
    place = _PLACE.search(message)
    location: list[str | int] = ["body"]
    if place is not None:
        message = message[: place.start()]
        location += [int(index) if index else name for name, index in _STEP.findall(place.group(1))]
    missing = _MISSING.search(message)
    if missing is not None:
        location.append(missing.group(1))
        return problems.InvalidBodyError("Field required", tuple(location), "missing")
    kind = "value_error" if " of length " in message else "type_error"
    return problems.InvalidBodyError(message, tuple(location), kind)
