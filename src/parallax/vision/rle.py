"""Masks as COCO's compressed run lengths, straight from the part of the picture that they cover.

The format (``rleToString`` in ``maskApi.c`` of pycocotools): the picture is read column by column;
runs of background and mask alternate, background first; from the fourth on, each run is written as
the difference to the last but one; in groups of five bits, lowest first, each a printable
character.
"""

import math

import numpy as np
from numpy.typing import NDArray

from parallax.vision import masks

Integers = NDArray[np.int64]

MAX_RUNS = 4 << 20
"""Runs of all masks of one answer. A filled shape has one for each column of the picture that it
touches; what has many more is noise, and is written more coarsely."""


def limit(masks_in_answer: int, width: int) -> int:
    """Return how many runs each mask of an answer may have, in a picture of this width: always
    enough for a filled shape."""
    return max(MAX_RUNS // max(1, masks_in_answer), width)


def counts(mask: masks.Mask, width: int, height: int, most: int = MAX_RUNS) -> str:
    """Return the ``counts`` of a mask in a picture of ``width x height`` pixels.

    A mask of more than ``most`` runs is thinned to every other row and column until it has fewer.
    """
    pixels = mask.pixels
    while not _fits(pixels, mask.window.width, most):
        if pixels.size == 1:
            pixels = np.zeros((1, 1), dtype=np.bool_)
        pixels = pixels[::2, ::2]
    starts, ends = _runs(pixels, mask.window, height)
    edges = np.stack([starts, ends], axis=1).reshape(-1)
    lengths = np.diff(edges, prepend=0)
    if not len(edges) or edges[-1] < width * height:
        lengths = np.append(lengths, width * height - (edges[-1] if len(edges) else 0))
    return _text(lengths)


def _fits(pixels: NDArray[np.bool_], columns: int, most: int) -> bool:
    """Tell whether a mask has few enough runs once it is spread over the picture's columns."""
    begins = int(np.count_nonzero(pixels[0]) + np.count_nonzero(pixels[1:] & ~pixels[:-1]))
    return bool(begins * math.ceil(columns / pixels.shape[1]) <= most)


def _runs(
    pixels: NDArray[np.bool_], window: masks.Window, height: int
) -> tuple[Integers, Integers]:
    """Return where each run of mask begins and ends, counted down the picture's columns."""
    rows, columns = pixels.shape
    tops = window.top + np.arange(rows + 1) * window.height // rows
    lefts = np.arange(columns + 1) * window.width // columns
    # With background between the columns, steps into the mask and out of it alternate.
    padded = np.zeros((columns, rows + 1), dtype=np.bool_)
    padded[:, :-1] = pixels.T
    inside = padded.reshape(-1)
    steps = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if inside[0]:
        steps = np.concatenate([np.zeros(1, dtype=steps.dtype), steps])
    column, first = np.divmod(steps[::2], rows + 1)
    last = steps[1::2] - column * (rows + 1)
    # A column of the mask stands for one or more of the picture's, with the same runs in each.
    found = np.bincount(column, minlength=columns)
    source = np.repeat(np.arange(columns), np.diff(lefts))
    each = found[source]
    begin = np.cumsum(found) - found
    which = np.arange(each.sum()) + np.repeat(begin[source] - np.cumsum(each) + each, each)
    base = np.repeat((window.left + np.arange(len(source))) * height, each)
    starts, ends = base + tops[first[which]], base + tops[last[which]]
    apart = starts[1:] != ends[:-1]
    ending = np.ones(1, dtype=np.bool_)[: len(starts)]
    return starts[np.concatenate([ending, apart])], ends[np.concatenate([apart, ending])]


def _text(lengths: Integers) -> str:
    """Return run lengths in the printable form."""
    left = lengths.copy()
    left[3:] -= lengths[1:-2]
    groups, written = [], []
    open_ = np.ones(len(left), dtype=np.bool_)
    while open_.any():
        written.append(open_)
        low = left & 31
        left = left >> 5
        more = np.where(low & 16, left != -1, left != 0)
        groups.append((low + 32 * more + 48).astype(np.uint8))
        open_ = open_ & more
    characters = np.stack(groups, axis=1)[np.stack(written, axis=1)]
    return characters.tobytes().decode("ascii")
