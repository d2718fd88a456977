"""Run lengths as their inventors read them: pycocotools, quiet about its age."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask


def decode(rle: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the (height, width) mask of ``{"size": [height, width], "counts": ...}``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(mask.decode(rle), np.uint8)


def encode(pixels: NDArray[np.uint8]) -> str:
    """Return the ``counts`` of a (height, width) mask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return str(mask.encode(np.asfortranarray(pixels))["counts"], "ascii")
