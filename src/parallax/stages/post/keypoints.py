"""Keypoint detection: boxes, each with the places of its object's named points."""

import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.models.families import heads
from parallax.stages.post import answer, detections
from parallax.vision import draw, geometry

_VALUES = 3
"""x, y, score."""
_SCORE_DIGITS = 5

Points = dict[int, tuple[float, float, float]]
"""x and y in pixels of the picture and the score, by index of the point."""


def build(
    found: heads.Found,
    model: spec.ModelSpec,
    params: messages.KeypointParams,
    placed: messages.Geometry,
    random_bytes: detections.RandomBytes = secrets.token_bytes,
) -> answer.Answer:
    """Return the answer to a picture in which objects and their keypoints were to be found.

    Raises:
        ModelFailedError: a box has a class that the model has no label for, or columns that are no
            keypoints.
    """
    kept = detections.keep(found.rows, model, params, placed)
    predictions = detections.predictions(kept, model, random_bytes)
    places = _places(kept.extras, params.keypoint_confidence, placed)
    skeletons = [_skeleton(model, class_id) for class_id in kept.classes]
    for prediction, points, skeleton in zip(predictions, places, skeletons, strict=True):
        prediction["keypoints"] = [
            {
                "x": x,
                "y": y,
                "confidence": score,
                "class_id": index,
                "class": skeleton.names[index] if index < len(skeleton.names) else str(index),
            }
            for index, (x, y, score) in points.items()
        ]

    def paint(canvas: draw.Canvas) -> None:
        detections.paint(canvas, kept, model, params.drawing)
        drawn = list(zip(kept.classes, places, skeletons, strict=True))[: draw.MOST_OBJECTS]
        for class_id, points, skeleton in drawn:
            spots = {index: (x, y) for index, (x, y, _) in points.items()}
            canvas.skeleton(spots, skeleton.edges, draw.color(class_id, model.colors))

    return answer.Answer({"predictions": predictions}, paint)


def _places(
    extras: NDArray[np.float32], least: float, placed: messages.Geometry
) -> Sequence[Points]:
    """Return each box's points that are numbers and have more than the least score."""
    if extras.shape[1] % _VALUES:
        raise errors.ModelFailedError(
            f"a box has {extras.shape[1]} values for keypoints, which is no multiple of {_VALUES}"
        )
    points = extras.reshape(len(extras), extras.shape[1] // _VALUES, _VALUES)
    good = np.isfinite(points).all(axis=2) & (points[:, :, 2] > least)
    points = np.where(good[:, :, None], points, 0.0)
    places = detections.rounded(geometry.points_to_picture(points[:, :, :2], placed)).tolist()
    scores = np.round(points[:, :, 2].astype(np.float64), _SCORE_DIGITS).tolist()
    return [
        {
            int(index): (*places[box][index], scores[box][index])
            for index in np.flatnonzero(good[box])
        }
        for box in range(len(points))
    ]


def _skeleton(model: spec.ModelSpec, class_id: int) -> spec.Skeleton:
    """Return the names and edges of a class's points; points without a name go by their number."""
    known = model.skeletons
    if len(known) == 1:
        return known[0]
    return known[class_id] if class_id < len(known) else spec.Skeleton(())
