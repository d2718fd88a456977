"""The post stage: what the network found becomes the JSON of one picture's answer."""

import secrets
from collections.abc import Callable, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.models.families import detection
from parallax.vision import geometry, nms

_PIXEL_DIGITS = 2
_SCORE_DIGITS = 5


def respond(
    outputs: Sequence[NDArray[np.floating]],
    model: spec.ModelSpec,
    params: messages.DetectionParams,
    placed: messages.Geometry,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """Return ``{"image": {...}, "predictions": [...]}`` for one picture, as JSON.

    Predictions are ordered by falling confidence; x and y are the centre, in pixels of the original
    picture and clipped to it. Boxes without area inside the picture are left out.

    Args:
        outputs: of one item, as ``models.families.detection.reduce`` left them.
        model: which model they come from.
        params: thresholds (``>=``), limits and classes the client asked for.
        placed: how the network's pixels map to the picture's.
        random_bytes: source of the detection ids.

    Raises:
        ModelFailedError: the outputs do not have the shape of the model's family, or name a class
            that the model has no label for.
    """
    found = _wanted(detection.candidates(model, outputs), model, params)
    corners = geometry.to_corners(found[:, :4])
    boxes = geometry.to_picture(corners, placed)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    found, corners, boxes = found[inside], corners[inside], boxes[inside]
    kept = nms.keep(
        corners,
        found[:, 4],
        params.iou_threshold,
        limit=params.max_detections,
        classes=None if params.class_agnostic_nms else found[:, 5],
    )
    predictions = _predictions(boxes[kept], found[kept, 4:], model.labels, random_bytes)
    image = {"width": placed.width, "height": placed.height}
    return orjson.dumps({"image": image, "predictions": predictions})


def _wanted(
    found: NDArray[np.float32], model: spec.ModelSpec, params: messages.DetectionParams
) -> NDArray[np.float32]:
    """Return the candidates that pass threshold and class filter, and are numbers at all."""
    found = found[found[:, 4] >= params.confidence]
    found = found[np.isfinite(found).all(axis=1)]
    if params.class_filter is not None:
        names = set(params.class_filter)
        classes = [index for index, label in enumerate(model.labels) if label in names]
        found = found[np.isin(found[:, 5], classes)]
    if len(found) > detection.MAX_CANDIDATES:
        best = np.argsort(-found[:, 4], kind="stable")
        found = found[best[: detection.MAX_CANDIDATES]]
    return found


def _predictions(
    boxes: NDArray[np.float64],
    scored: NDArray[np.float32],
    labels: Sequence[str],
    random_bytes: Callable[[int], bytes],
) -> list[dict[str, object]]:
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    pixels = np.round(np.concatenate([centres, sizes], axis=1), _PIXEL_DIGITS).tolist()
    scores = np.round(scored[:, 0].astype(np.float64), _SCORE_DIGITS).tolist()
    classes = scored[:, 1].astype(np.int64).tolist()
    if classes and max(classes) >= len(labels):
        raise errors.ModelFailedError(f"found the class {max(classes)} of {len(labels)} classes")
    ids = _uuids(len(pixels), random_bytes)
    return [
        {
            "x": x,
            "y": y,
            "width": width,
            "height": height,
            "confidence": score,
            "class": labels[class_id],
            "class_id": class_id,
            "detection_id": detection_id,
        }
        for (x, y, width, height), score, class_id, detection_id in zip(
            pixels, scores, classes, ids, strict=True
        )
    ]


def _uuids(count: int, random_bytes: Callable[[int], bytes]) -> list[str]:
    """Return random UUIDs (RFC 9562, version 4) as text, from one draw of random bytes."""
    raw = np.frombuffer(random_bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    digits = raw.tobytes().hex()
    return [
        f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"
        for d in (digits[at : at + 32] for at in range(0, len(digits), 32))
    ]
