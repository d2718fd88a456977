"""Semantic segmentation: a class and a confidence for every pixel of the picture."""

import base64

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.stages.post import answer
from parallax.vision import draw, masks

Bytes = NDArray[np.uint8]

_BACKGROUND = "background"
_CERTAIN = 255


def build(
    pixels: tuple[Bytes, Bytes],
    model: spec.ModelSpec,
    params: messages.SemanticParams,
    placed: messages.Geometry,
) -> answer.Answer:
    """Return the answer to a picture whose every pixel was to be classified.

    Pixels below the threshold, and those that the network was not shown, are background with
    confidence 0. Background is the class of that name, else the first.

    Args:
        pixels: class ids and confidences (255: certain) over the network's input, (h, w) each.
        model: whose pixels these are.
        params: the threshold, ``>=``.
        placed: how the network's pixels map to the picture's.

    Raises:
        ModelFailedError: a pixel has a class that the model has no label for.
    """
    background = _background(model.labels)
    classes, confidence = _cut(pixels, model, params.confidence, background)
    network = (model.input.width, model.input.height)
    size = (placed.width, placed.height)
    ids = masks.nearest(classes, network, placed, size, background)
    fields = {
        "segmentation_mask": _png(ids),
        "confidence_mask": _png(masks.nearest(confidence, network, placed, size)),
        "class_map": {str(index): label for index, label in enumerate(model.labels)},
        "present_class_ids": masks.present(ids),
    }

    def paint(canvas: draw.Canvas) -> None:
        height, width = canvas.pixels.shape[:2]
        shown = masks.nearest(classes, network, placed, (width, height), background)
        inks = [draw.color(index, model.colors) for index in range(len(model.labels))]
        canvas.regions(shown, inks, background)

    return answer.Answer({"predictions": fields}, paint)


def _background(labels: tuple[str, ...]) -> int:
    names = [label.lower() for label in labels]
    return names.index(_BACKGROUND) if _BACKGROUND in names else 0


def _cut(
    pixels: tuple[Bytes, Bytes], model: spec.ModelSpec, threshold: float, background: int
) -> tuple[Bytes, Bytes]:
    """Return the maps with all that is hidden or below the threshold made background."""
    classes, confidence = pixels
    if classes.max(initial=0) >= len(model.labels):
        raise errors.ModelFailedError(
            f"found the class {classes.max()} of {len(model.labels)} classes"
        )
    # Confidences were truncated to bytes, so the threshold is as well.
    dropped = confidence < int(min(max(threshold, 0.0), 2.0) * _CERTAIN)
    dropped |= np.isin(classes, [index for index in model.hidden if index != background])
    kept = np.where(dropped, np.uint8(background), classes)
    return kept, np.where(dropped, np.uint8(0), confidence)


def _png(values: Bytes) -> str:
    return base64.b64encode(draw.png(values)).decode("ascii")
