"""How a reference answer is written down, and the choice of thresholds that leave no doubt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

Json = dict[str, object]
# The NMS of every detector, and the most objects of a picture.
IOU, MOST = 0.5, 300
# Where a threshold is looked for, and the one that lets nearly everything pass.
LOWEST, HIGHEST, EVERYTHING = 0.2, 0.6, 0.05


def run_lengths(bitmap: NDArray[np.bool_]) -> Json:
    """COCO's compressed run lengths of a bool [h, w]: its size [h, w] and its counts."""
    encoded = coco.encode(np.asfortranarray(bitmap.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}


def clear_threshold(scores: Iterable[float]) -> tuple[float, float]:
    """The threshold farthest from every score, rounded to 3 digits, and that distance.

    A score that lies beside the threshold would be kept by one side and dropped by the other for
    a difference in the sixth digit. The nearest to 0.4 is taken among equally clear ones.
    """
    known = np.array([*scores, -1.0, 2.0])
    candidates = np.arange(LOWEST, HIGHEST, 0.001)
    distances = np.abs(known[:, None] - candidates).min(axis=0)
    enough = candidates[distances >= min(0.02, float(distances.max()))]
    best = float(enough[np.abs(enough - 0.4).argmin()])
    return round(best, 3), float(np.abs(known - round(best, 3)).min())


def save(folder: Path, model: str, picture: str, answer: Json) -> None:
    """Write `folder`/model/picture.json."""
    path = folder / model / f"{picture}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"model": model, "picture": picture, **answer}, indent=1) + "\n")


def summary(model: str, threshold: float, distance: float, counts: list[int]) -> str:
    """One line on a model's answers, to see that none is degenerate."""
    return f"{model}: threshold {threshold} (clear by {distance:.3f}), objects {counts}"
