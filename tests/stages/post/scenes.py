"""A picture, a model and what a network might find in it."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages, spec, tasks
from parallax.stages.post import respond

LABELS = ("cat", "dog", "bird")
# A picture of 1280x720, scaled by a half and centred: 140 rows of padding above.
PLACED = messages.Geometry(1280, 720, 0.5, 0.5, 0.0, 140.0)
DETECTOR = spec.ModelSpec(
    id="m",
    version="v",
    task=tasks.OBJECT_DETECTION,
    family="yolov8",
    labels=LABELS,
    input=spec.InputSpec(640, 640),
    batch=spec.BatchSpec(),
    graph="m.onnx",
    fused=True,
    input_name="pixels",
    output_names=("candidates",),
    source="m.onnx",
)


def rows(*candidates: tuple[float, ...], columns: int = 6) -> NDArray[np.float32]:
    """Return rows of centre x, centre y, width, height, score, class id and extras."""
    return np.array(candidates, dtype=np.float32).reshape(-1, columns)


def answer(
    outputs: list[NDArray[Any]],
    model: spec.ModelSpec,
    params: messages.Params,
    placed: messages.Geometry = PLACED,
) -> dict[str, Any]:
    """Return the JSON of an answer, read."""
    answered: dict[str, Any] = json.loads(respond.respond(outputs, model, params, placed))
    return answered
