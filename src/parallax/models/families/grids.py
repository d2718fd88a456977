"""The cells that anchor-free heads predict from: one per position of each stride's feature map."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)


def anchor_count(network: tuple[int, int]) -> int:
    """Return how many cells a network of (width, height) pixels has over all strides."""
    width, height = network
    return sum((width // stride) * (height // stride) for stride in STRIDES)


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
