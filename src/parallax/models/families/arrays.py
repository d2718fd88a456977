"""The operations of ``base.Ops`` on NumPy arrays: decoding of graphs that could not be extended."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parallax.models.families import base
from parallax.vision import resample

Array = NDArray[np.float32]


class Arrays:
    """Implements ``base.Ops``. A value beyond float32 becomes infinite, silently as in a graph."""

    def constant(self, array: base.Constant) -> Array:
        """Return a tensor with this content."""
        return array.astype(np.float32)

    def add(self, a: Array, b: Array) -> Array:
        """Return a + b, broadcast."""
        with np.errstate(all="ignore"):
            return a + b

    def subtract(self, a: Array, b: Array) -> Array:
        """Return a - b, broadcast."""
        with np.errstate(all="ignore"):
            return a - b

    def multiply(self, a: Array, b: Array) -> Array:
        """Return a * b, broadcast."""
        with np.errstate(all="ignore"):
            return a * b

    def exponential(self, a: Array) -> Array:
        """Return e to the power of a."""
        with np.errstate(all="ignore"):
            return np.exp(a)

    def sigmoid(self, a: Array) -> Array:
        """Return 1 / (1 + exp(-a))."""
        with np.errstate(all="ignore"):
            return (1.0 / (1.0 + np.exp(-a))).astype(np.float32, copy=False)

    def softmax(self, a: Array, axis: int) -> Array:
        """Return exp(a) / sum(exp(a)) along an axis."""
        with np.errstate(all="ignore"):
            powers = np.exp(a - a.max(axis=axis, keepdims=True))
            shares: Array = powers / powers.sum(axis=axis, keepdims=True)
        return shares

    def transpose(self, a: Array, order: Sequence[int]) -> Array:
        """Return a with its axes in this order."""
        return a.transpose(order)

    def cut(self, a: Array, axis: int, start: int, end: int) -> Array:
        """Return a[start:end] along an axis."""
        return a[(slice(None),) * axis + (slice(start, end),)]

    def join(self, values: Sequence[Array], axis: int) -> Array:
        """Return the values one after the other along an axis."""
        return np.concatenate(values, axis=axis)

    def reshape(self, a: Array, shape: Sequence[int]) -> Array:
        """Return a with this shape; 0 stands for the size that the same axis of a has."""
        return a.reshape([side or a.shape[axis] for axis, side in enumerate(shape)])

    def expand(self, a: Array, shape: Sequence[int]) -> Array:
        """Return a, broadcast against this shape."""
        return np.broadcast_to(a, np.broadcast_shapes(a.shape, tuple(shape)))

    def largest(self, a: Array, axis: int) -> tuple[Array, Array]:
        """Return the maximum along an axis, which is kept, and its position."""
        position = a.argmax(axis=axis, keepdims=True)
        return np.take_along_axis(a, position, axis), position.astype(np.float32)

    def resize(self, a: Array, height: int, width: int) -> Array:
        """Return planes (N, C, h, w) resampled bilinearly."""
        return np.stack([resample.bilinear(planes, height, width) for planes in a])

    def to_bytes(self, a: Array) -> Array:
        """Return a as uint8, truncated; what is no number becomes 0, what is beyond the nearest."""
        clean = np.clip(np.nan_to_num(a, nan=0.0, posinf=0.0, neginf=0.0), 0, 255)
        # The protocol has one type of tensor; only the end of a head leaves float32.
        return clean.astype(np.uint8)
