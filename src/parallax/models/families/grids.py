"""The cells that dense heads predict from: one per position of each stride's feature map."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
LARGE_STRIDES = (8, 16, 32, 64)
"""Strides of the variants for large pictures (P6)."""
FINE_STRIDES = (4, 8, 16, 32)
"""Strides of the variants for small objects (P2)."""
ANCHORS_PER_CELL = 3
"""Of the heads with anchor boxes; the others have one."""


def anchor_count(network: tuple[int, int], strides: tuple[int, ...] = STRIDES) -> int:
    """Return how many cells a network of (width, height) pixels has over all strides."""
    width, height = network
    return sum((width // stride) * (height // stride) for stride in strides)


def is_dense(network: tuple[int, int], rows: int) -> bool:
    """Tell whether so many rows are those of a head that predicts from every cell.

    What leaves the graph ranked, or comes from queries, has a round number of rows instead.
    """
    return rows in {
        per_cell * anchor_count(network, strides)
        for per_cell in (1, ANCHORS_PER_CELL)
        for strides in (STRIDES, LARGE_STRIDES, FINE_STRIDES)
    }


@lru_cache(maxsize=64)
def cells(network: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the cells of a network of (width, height) pixels, finest stride first, row by row.

    Returns:
        (A, 2) column and row of each cell, and (A, 1) its stride in pixels; both read-only.
    """
    width, height = network
    positions, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        positions.append(np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32))
        strides.append(np.full((columns.size, 1), stride, dtype=np.float32))
    grid, scale = np.concatenate(positions), np.concatenate(strides)
    grid.flags.writeable = scale.flags.writeable = False
    return grid, scale
