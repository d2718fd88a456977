"""Masks as the outlines of their objects."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from parallax.vision import masks

Corners = NDArray[np.float64]
"""(n, 2) x and y in pixels of the picture."""

MAX_CORNERS = 1 << 19
"""Corners of all outlines of one answer. Real objects have some hundred each; what has many more is
noise, and is outlined with fewer."""


def polygons(found: Sequence[masks.Mask], most: int = MAX_CORNERS) -> list[Corners]:
    """Return the outline of each mask, with at most ``most`` corners in all (and one each)."""
    outlines = [polygon(mask) for mask in found]
    step = max(1, -(-sum(map(len, outlines)) // most))
    return [outline[::step] for outline in outlines]


def polygon(mask: masks.Mask) -> Corners:
    """Return the outline of a mask's part with the most corners.

    Points are centres of pixels at the edge. Holes and further parts are lost. An empty mask gives
    no point.
    """
    outlines, _ = cv2.findContours(
        mask.pixels.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not outlines:
        return np.zeros((0, 2))
    corners = np.asarray(max(outlines, key=len), dtype=np.float64).reshape(-1, 2)
    at, (rows, columns) = mask.window, mask.pixels.shape
    steps = np.array([at.width / columns, at.height / rows])
    outline: Corners = (corners + 0.5) * steps - 0.5 + (at.left, at.top)
    return outline
