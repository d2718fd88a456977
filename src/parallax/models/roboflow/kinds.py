"""The task that Roboflow's words for kinds of models say (``yolov8n-seg``, ``rfdetr-base``)."""

import re
from pathlib import Path

from parallax.contract import tasks
from parallax.models import description

_BY_PART = {
    "seg": tasks.INSTANCE_SEGMENTATION,
    "pose": tasks.KEYPOINT_DETECTION,
    "keypoint": tasks.KEYPOINT_DETECTION,
    "cls": tasks.CLASSIFICATION,
    "sem": tasks.SEMANTIC_SEGMENTATION,
}
"""Parts of a name that say the task."""


def plain(kind: object) -> str | None:
    """Return a kind of model in lower case with hyphens; None when there is none."""
    return str(kind).lower().replace("_", "-") if kind else None


def task(kind: str | None, word: object, path: Path) -> str | None:
    """Return the task that a word names, or else a part of the kind of model.

    Raises:
        ModelRefusedError: no such task is served.
    """
    if word:
        return description.task(str(word), path)
    parts = re.split("[-.]", kind or "")
    return next((_BY_PART[part] for part in parts if part in _BY_PART), None)


def multi_label(word: object) -> bool | None:
    """Tell what a word for the task says of the classes; None: nothing."""
    return True if str(word).startswith("multi-label") else None
