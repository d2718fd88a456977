"""What all tasks with boxes share: which of the found boxes are in the answer, and how they look
there."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.models.families import base, heads
from parallax.stages.post import answer
from parallax.vision import draw, geometry, nms

RandomBytes = Callable[[int], bytes]
Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]

_PIXEL_DIGITS = 2
_SCORE_DIGITS = 5
_COLUMNS = 6
_SCORE, _CLASS = 4, 5


@dataclass(frozen=True, slots=True)
class Kept:
    """The boxes of an answer, best first."""

    boxes: NDArray[np.float64]
    """(n, 4) x1, y1, x2, y2 in pixels of the picture; each has an area."""
    scores: Floats
    """(n,)."""
    classes: list[int]
    """Each has a label."""
    extras: Floats
    """(n, E): see ``models.families.heads.Found``. Not checked for being numbers."""


def keep(
    rows: Floats,
    model: spec.ModelSpec,
    params: messages.DetectionParams,
    placed: messages.Geometry,
) -> Kept:
    """Return the boxes that the client asked for.

    Args:
        rows: (n, 6 + E) as in ``models.families.heads.Found``.
        model: whose boxes these are.
        params: thresholds (``>=``), limits and classes that the client asked for.
        placed: how the network's pixels map to the picture's.

    Raises:
        ModelFailedError: a box has a class that the model has no label for.
    """
    rows = _best(rows[_wanted(rows, model, params)])
    corners = geometry.to_corners(rows[:, :4])
    boxes = geometry.to_picture(corners, placed)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    rows, corners, boxes = rows[inside], corners[inside], boxes[inside]
    limit = max(0, params.max_detections)
    if model.suppress:
        classes = None if params.class_agnostic_nms else rows[:, _CLASS]
        threshold = params.iou_threshold
        kept = nms.keep(corners, rows[:, _SCORE], threshold, limit=limit, classes=classes)
    else:
        kept = np.argsort(-rows[:, _SCORE], kind="stable")[:limit]
    rows = rows[kept]
    return Kept(boxes[kept], rows[:, _SCORE], _classes(rows, model), rows[:, _COLUMNS:])


def predictions(
    kept: Kept, model: spec.ModelSpec, random_bytes: RandomBytes
) -> list[dict[str, object]]:
    """Return the answer's objects: centre and size in pixels of the picture, score, class, id."""
    centres = (kept.boxes[:, :2] + kept.boxes[:, 2:]) / 2
    sizes = kept.boxes[:, 2:] - kept.boxes[:, :2]
    pixels = rounded(np.concatenate([centres, sizes], axis=1)).tolist()
    scores = np.round(kept.scores.astype(np.float64), _SCORE_DIGITS).tolist()
    ids = _uuids(len(pixels), random_bytes)
    return [
        {
            "x": x,
            "y": y,
            "width": width,
            "height": height,
            "confidence": score,
            "class": model.labels[class_id],
            "class_id": class_id,
            "detection_id": detection_id,
        }
        for (x, y, width, height), score, class_id, detection_id in zip(
            pixels, scores, kept.classes, ids, strict=True
        )
    ]


def rounded(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions or sizes in pixels of the picture with the digits that answers have."""
    return np.round(places, _PIXEL_DIGITS)


def build(
    found: heads.Found,
    model: spec.ModelSpec,
    params: messages.DetectionParams,
    placed: messages.Geometry,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> answer.Answer:
    """Return the answer to a picture in which objects were to be found.

    Raises:
        ModelFailedError: a box has a class that the model has no label for.
    """
    kept = keep(found.rows, model, params, placed)
    return answer.Answer(
        {"predictions": predictions(kept, model, random_bytes)},
        lambda canvas: paint(canvas, kept, model, params.drawing),
    )


def paint(
    canvas: draw.Canvas, kept: Kept, model: spec.ModelSpec, drawing: messages.Drawing | None
) -> None:
    """Draw the boxes, the best on top."""
    scores = kept.scores[: draw.MOST_OBJECTS].tolist()
    for index in reversed(range(len(scores))):
        class_id = kept.classes[index]
        text = f"{model.labels[class_id]} {scores[index]:.2f}"
        canvas.box(
            kept.boxes[index].tolist(),
            draw.color(class_id, model.colors),
            text if drawing is not None and drawing.labels else "",
        )


def _wanted(rows: Floats, model: spec.ModelSpec, params: messages.DetectionParams) -> Booleans:
    """Tell which rows are numbers at all, and pass the thresholds and the classes' filters."""
    scores, classes = rows[:, _SCORE], rows[:, _CLASS]
    wanted: Booleans = (scores >= params.confidence) & np.isfinite(rows[:, :_COLUMNS]).all(axis=1)
    if params.class_confidence is not None:
        # A class beyond the thresholds has no label either, which is told of those that are kept.
        ids = np.arange(len(params.class_confidence))
        least = np.array(params.class_confidence, dtype=np.float32)
        known = np.isin(classes, ids) & wanted
        wanted[known] &= scores[known] >= least[classes[known].astype(np.intp)]
    if model.hidden:
        wanted &= ~np.isin(classes, model.hidden)
    if params.class_filter is not None:
        names = set(params.class_filter)
        chosen = [index for index, label in enumerate(model.labels) if label in names]
        wanted &= np.isin(classes, chosen)
    return wanted


def _best(rows: Floats) -> Floats:
    if len(rows) <= base.MAX_CANDIDATES:
        return rows
    return rows[np.argsort(-rows[:, _SCORE], kind="stable")[: base.MAX_CANDIDATES]]


def _classes(rows: Floats, model: spec.ModelSpec) -> list[int]:
    classes = rows[:, _CLASS]
    strange = classes[(classes < 0) | (classes >= len(model.labels))]
    if len(strange):
        raise errors.ModelFailedError(
            f"found the class {strange[0]:.0f} of {len(model.labels)} classes"
        )
    ids: list[int] = classes.astype(np.int64).tolist()
    return ids


def _uuids(count: int, random_bytes: RandomBytes) -> list[str]:
    """Return random UUIDs (RFC 9562, version 4) as text, from one draw of random bytes."""
    raw = np.frombuffer(random_bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    digits = raw.tobytes().hex()
    return [
        f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"
        for d in (digits[at : at + 32] for at in range(0, len(digits), 32))
    ]
