"""The steps that some models want between cropping and resizing: grey pictures, more contrast.

They look at all pixels of the original; after a reduced decode a histogram would be another one.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_LEVELS = 256
_LOW, _HIGH = 2.0, 98.0
"""Percentiles that ``stretching`` makes black and white."""

_CLIP_LIMIT = 0.03
_TILES = (8, 8)


def grayscale(pixels: Pixels) -> Pixels:
    """Return (h, w, 3) RGB as grey in three equal channels, weighted as in ITU-R BT.601."""
    return _repeated(_grey(pixels))


def contrast(pixels: Pixels, kind: str) -> Pixels:
    """Return an (h, w, 3) RGB picture with more contrast.

    * ``stretching``: the 2nd percentile of all values becomes 0 and the 98th 255; colours stay
      (scikit-image, ``rescale_intensity``, with its truncation to whole numbers). A picture in
      which the two are equal stays as it is.
    * ``equalization``: grey, then its histogram is made flat (OpenCV, ``equalizeHist``).
    * ``adaptive``: grey, then the same in 8 x 8 tiles with limited slope (CLAHE). The limit is 0.03
      in the terms of scikit-image's ``equalize_adapthist``, the share of a tile's pixels that one
      of its 256 bins may hold. OpenCV wants it in multiples of a flat histogram's bin, which
      holds 1/256 of them: 0.03 x 256 = 7.68.

    Raises:
        ValueError: ``kind`` is none of the above.
    """
    step = _CONTRASTS.get(kind)
    if step is None:
        raise ValueError(f"unknown contrast {kind!r}")
    return step(pixels)


def _stretched(pixels: Pixels) -> Pixels:
    low, high = _percentiles(pixels, (_LOW, _HIGH))
    if low == high:
        return pixels
    ramp = (np.clip(np.arange(_LEVELS), low, high) - low) / (high - low)
    return _eight_bits(cv2.LUT(pixels, (ramp * (_LEVELS - 1)).astype(np.uint8)))


def _equalized(pixels: Pixels) -> Pixels:
    return _repeated(_eight_bits(cv2.equalizeHist(_grey(pixels))))


def _adapted(pixels: Pixels) -> Pixels:
    clahe = cv2.createCLAHE(clipLimit=_CLIP_LIMIT * _LEVELS, tileGridSize=_TILES)
    return _repeated(_eight_bits(clahe.apply(_grey(pixels))))


def _percentiles(pixels: Pixels, wanted: tuple[float, ...]) -> list[float]:
    """Return what ``np.percentile`` does, from the histogram: no sorting of megapixels."""
    reached = np.cumsum(np.bincount(pixels.reshape(-1), minlength=_LEVELS))
    ranks = np.array(wanted) / 100.0 * (pixels.size - 1)
    below = np.floor(ranks)
    lower, upper = (
        np.searchsorted(reached, rank, side="right") for rank in (below, np.ceil(ranks))
    )
    found: list[float] = (lower + (upper - lower) * (ranks - below)).tolist()
    return found


def _grey(pixels: Pixels) -> Pixels:
    return _eight_bits(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def _repeated(grey: Pixels) -> Pixels:
    return _eight_bits(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))


def _eight_bits(result: object) -> Pixels:
    """Return what OpenCV made of 8-bit pixels; its annotations do not say that it is 8-bit, too."""
    return np.asarray(result, np.uint8)


_CONTRASTS: dict[str, Callable[[Pixels], Pixels]] = {
    "stretching": _stretched,
    "equalization": _equalized,
    "adaptive": _adapted,
}

CONTRASTS = tuple(_CONTRASTS)
"""What ``InputSpec.contrast`` may say."""
