"""Classification: which classes a picture shows, by falling score."""

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.stages.post import answer
from parallax.vision import draw

_DIGITS = 4
_CAPTION_LINES = 5

Entry = dict[str, object]


def build(
    scores: NDArray[np.float32], model: spec.ModelSpec, params: messages.ClassificationParams
) -> answer.Answer:
    """Return the answer to a picture that was to be classified.

    Scores are compared (``>=``) before they are rounded. One that is no number counts as 0.

    Args:
        scores: (C,) as ``models.families.heads.scores`` gives them.
        model: whose scores these are.
        params: the threshold.

    Raises:
        ModelFailedError: there are not as many scores as the model has labels.
    """
    if scores.shape != (len(model.labels),):
        raise errors.ModelFailedError(f"{scores.size} scores for {len(model.labels)} classes")
    exact = np.nan_to_num(scores, nan=0.0, posinf=1.0, neginf=0.0)
    enough = exact >= params.confidence
    order: list[int] = np.argsort(-exact, kind="stable").tolist()
    passed = [index for index in order if enough[index] and index not in model.hidden]
    rounded = np.round(exact.astype(np.float64), _DIGITS).tolist()

    def paint(canvas: draw.Canvas) -> None:
        canvas.caption(
            [
                (f"{model.labels[index]} {rounded[index]:.2f}", draw.color(index, model.colors))
                for index in passed[:_CAPTION_LINES]
            ]
        )

    if model.multi_label:
        return answer.Answer(_all(rounded, passed, model), paint)
    return answer.Answer(_ranked(rounded, passed, model), paint)


def _ranked(rounded: list[float], passed: list[int], model: spec.ModelSpec) -> dict[str, object]:
    return {
        "predictions": [
            {"class": model.labels[index], "class_id": index, "confidence": rounded[index]}
            for index in passed
        ],
        "top": model.labels[passed[0]] if passed else "",
        "confidence": rounded[passed[0]] if passed else 0.0,
    }


def _all(rounded: list[float], passed: list[int], model: spec.ModelSpec) -> dict[str, object]:
    return {
        "predictions": {
            label: {"confidence": rounded[index], "class_id": index}
            for index, label in enumerate(model.labels)
            if index not in model.hidden
        },
        "predicted_classes": [model.labels[index] for index in passed],
    }
