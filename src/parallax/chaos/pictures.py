"""The pictures that chaos sends, drawn once: a code each, in a few sizes."""

import io
from collections.abc import Sequence

import msgspec
import numpy as np
from PIL import Image

from parallax.chaos import codes
from parallax.demo import sprites

_SIZES: tuple[codes.Size, ...] = ((480, 320), (480, 320), (600, 400), (1200, 800))
"""In turn; most are small, so that the load is many requests and not many pixels."""
_SHARE = 0.72
"""Part of a cell that a shape takes up."""
_QUALITY = 90
_SEED = 20
_ZENITH, _HORIZON = (8, 10, 32), (44, 52, 110)


class Picture(msgspec.Struct, frozen=True):
    """A JPEG and what an answer to it must say."""

    code: codes.Code
    size: codes.Size
    data: bytes


def make(count: int) -> list[Picture]:
    """Return so many pictures of different codes; the same ones in every run."""
    rng = np.random.default_rng(_SEED)
    words = codes.choose(count, rng)
    sheets = {size: _sheet(size) for size in set(_SIZES)}
    return [
        Picture(word, size, _draw(word, size, sheets[size]))
        for word, size in ((word, _SIZES[at % len(_SIZES)]) for at, word in enumerate(words))
    ]


def _sheet(size: codes.Size) -> list[Image.Image]:
    """Return each shape as large as a cell allows, RGBA."""
    extent = _SHARE * size[0] / codes.COLUMNS
    rng = np.random.default_rng(_SEED)
    return [sprites.rasterise(sprites.DRAWERS[name](rng), extent, 0.0) for name in codes.SHAPES]


def _draw(word: codes.Code, size: codes.Size, sheet: Sequence[Image.Image]) -> bytes:
    width, height = size
    ramp = np.linspace(0.0, 1.0, height)[:, None, None]
    zenith, horizon = np.array(_ZENITH), np.array(_HORIZON)
    sky = (zenith + (horizon - zenith) * ramp).astype(np.uint8).repeat(width, axis=1)
    canvas = Image.fromarray(sky)
    for at, symbol in enumerate(word):
        if symbol != codes.EMPTY:
            shape = sheet[symbol]
            row, column = divmod(at, codes.COLUMNS)
            left = (2 * column + 1) * width // (2 * codes.COLUMNS) - shape.width // 2
            top = (2 * row + 1) * height // (2 * codes.ROWS) - shape.height // 2
            canvas.paste(shape, (left, top), shape)
    file = io.BytesIO()
    canvas.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
