"""Pictures that say who they are: rows of shapes, and how an answer is read back into one.

A code is a shape (or none) for each cell of a grid. Any two codes differ in two cells at least, so
a shape that was overlooked makes an answer unreadable and never the answer to another picture.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COLUMNS, ROWS = 3, 2
SHAPES = ("rocket", "star", "planet", "moon", "ufo", "comet", "balloon")
"""What the demo model knows; without satellites, which it takes for two things now and then."""
EMPTY = len(SHAPES)
"""The symbol of a cell with nothing in it."""
SYMBOLS = len(SHAPES) + 1

Code = tuple[int, ...]
"""A symbol per cell, row by row."""
Size = tuple[int, int]
"""Width and height in pixels."""


def choose(count: int, rng: np.random.Generator) -> list[Code]:
    """Return different codes, none of them empty. The last symbol is the sum of the others."""
    found: dict[Code, None] = {}
    while len(found) < count:
        free = rng.integers(SYMBOLS, size=COLUMNS * ROWS - 1).tolist()
        code = (*free, sum(free) % SYMBOLS)
        if any(symbol != EMPTY for symbol in code):
            found[code] = None
    return list(found)


def read(predictions: Sequence[Mapping[str, Any]], size: Size) -> Code | None:
    """Return the code that detections in a picture of this size spell; None if they spell none.

    Raises:
        KeyError, TypeError, ValueError: not a list of detections.
    """
    symbols = [EMPTY] * (COLUMNS * ROWS)
    for one in predictions:
        column, row = int(one["x"] * COLUMNS / size[0]), int(one["y"] * ROWS / size[1])
        inside = 0 <= column < COLUMNS and 0 <= row < ROWS
        at = column + COLUMNS * row
        if not inside or one["class"] not in SHAPES or symbols[at] != EMPTY:
            return None
        symbols[at] = SHAPES.index(one["class"])
    return tuple(symbols)
