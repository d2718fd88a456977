"""Bilinear resampling of planes of numbers, as the operator Resize of ONNX does it."""

import cv2
import numpy as np
from numpy.typing import NDArray


def bilinear(planes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resample (C, h, w) planes to (C, height, width); pixel centres lie at half numbers.

    Nothing is averaged where planes shrink.
    """
    if planes.shape[1:] == (height, width):
        return planes
    size = (width, height)
    resized: NDArray[np.float32] = np.empty((len(planes), height, width), np.float32)
    # Plane by plane: OpenCV's limit on channels is 4 for some interpolations and 512 in all.
    for source, target in zip(planes, resized, strict=True):
        cv2.resize(np.ascontiguousarray(source), size, dst=target, interpolation=cv2.INTER_LINEAR)
    return resized
