"""The post stage: what the network found becomes the answer to one picture."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.models.families import heads
from parallax.stages.post import (
    answer,
    classification,
    detections,
    keypoints,
    segments,
    semantic,
)
from parallax.vision import decode, draw

MAX_BYTES = 64 << 20
"""Largest answer to one picture. It travels through the broker, whose memory is everybody's; only
masks of crowds in huge pictures come near."""

Outputs = Sequence[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Original:
    """The picture to draw on, as it was received."""

    data: bytes
    auto_orient: bool
    """Whether it was turned as its EXIF orientation says."""
    max_pixels: int


def respond(
    outputs: Outputs,
    model: spec.ModelSpec,
    params: messages.Params,
    placed: messages.Geometry,
    original: Original | None = None,
    random_bytes: detections.RandomBytes = secrets.token_bytes,
) -> bytes:
    """Return ``{"image": {...}, "predictions": ...}`` for one picture as JSON, or the drawn
    picture alone as a JPEG.

    Boxes and points are in pixels of the original picture, x and y of a box are its centre.
    Predictions are ordered by falling confidence; boxes without area inside the picture are left
    out. The kind of ``params`` decides which answer it is.

    Args:
        outputs: of one item, as ``models.families.heads.reduce`` left them.
        model: which model they come from.
        params: what the client asked for.
        placed: how the network's pixels map to the picture's.
        original: the picture itself; needed only where ``params.drawing`` is set.
        random_bytes: source of the detection ids.

    Raises:
        ModelFailedError: the outputs do not have the shapes of the model's family, or name a class
            that the model has no label for.
        BadImageError: the picture to draw on cannot be decoded.
        AnswerTooLargeError: it would take more than ``MAX_BYTES``.
    """
    content = _content(outputs, model, params, placed, original, random_bytes)
    if len(content) > MAX_BYTES:
        raise errors.AnswerTooLargeError(
            f"The answer would take {len(content)} bytes, of at most {MAX_BYTES}; "
            "ask for fewer detections, or send a smaller picture."
        )
    return content


def _content(
    outputs: Outputs,
    model: spec.ModelSpec,
    params: messages.Params,
    placed: messages.Geometry,
    original: Original | None,
    random_bytes: detections.RandomBytes,
) -> bytes:
    built = _build(outputs, model, params, placed, random_bytes)
    fields: dict[str, object] = {"image": {"width": placed.width, "height": placed.height}}
    fields.update(built.fields)
    if params.drawing is not None and original is not None:
        picture = _drawn(built, original, placed, params.drawing.stroke)
        if params.drawing.alone:
            return picture
        fields["visualization"] = base64.b64encode(picture).decode("ascii")
    return orjson.dumps(fields)


def _build(
    outputs: Outputs,
    model: spec.ModelSpec,
    params: messages.Params,
    placed: messages.Geometry,
    random_bytes: detections.RandomBytes,
) -> answer.Answer:
    match params:
        case messages.ClassificationParams():
            return classification.build(heads.scores(model, outputs), model, params)
        case messages.SemanticParams():
            return semantic.build(heads.pixels(model, outputs), model, params, placed)
        case messages.SegmentationParams():
            found = heads.found(model, outputs)
            return segments.build(found, model, params, placed, random_bytes)
        case messages.KeypointParams():
            found = heads.found(model, outputs)
            return keypoints.build(found, model, params, placed, random_bytes)
        case _:
            found = heads.found(model, outputs)
            return detections.build(found, model, params, placed, random_bytes)


def _drawn(
    built: answer.Answer, original: Original, placed: messages.Geometry, stroke: int
) -> bytes:
    picture = decode.open_picture(
        original.data, original.max_pixels, auto_orient=original.auto_orient
    )
    pixels = decode.read(picture, *draw.size(placed.width, placed.height))
    canvas = draw.canvas(pixels, placed.width, placed.height, stroke)
    built.paint(canvas)
    return canvas.jpeg()
