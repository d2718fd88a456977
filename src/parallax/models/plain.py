"""Pixels to the float input of a graph that could not be extended: the engine's fall-back.

The same few numbers describe the nodes that fusing prepends, so both paths compute the same input.
"""

import numpy as np
from numpy.typing import NDArray

from parallax.contract import spec

DTYPES: dict[str, type[np.floating]] = {"float32": np.float32, "float16": np.float16}
"""Input types of a network that can be fed from pixels."""


def affine(plain: spec.PlainInput) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return factor and offset (3,) float32, in the network's channel order.

    ``(pixel / scale - mean) / std`` equals ``pixel * factor + offset``.
    """
    mean, std = np.asarray(plain.mean, np.float64), np.asarray(plain.std, np.float64)
    factor = 1.0 / (plain.scale * std)
    return factor.astype(np.float32), (-mean / std).astype(np.float32)


def to_network_input(
    batch: NDArray[np.uint8], plain: spec.PlainInput
) -> NDArray[np.float32] | NDArray[np.float16]:
    """Return the network's own input for a batch of pixels.

    Args:
        batch: uint8 (N, H, W, 3), RGB.
        plain: how the network wants it.

    Returns:
        C-contiguous (N, 3, H, W) of ``plain.dtype``.
    """
    channels = batch[..., ::-1] if plain.swap else batch
    values = np.empty((len(batch), 3, *batch.shape[1:3]), dtype=np.float32)
    values[...] = channels.transpose(0, 3, 1, 2)
    factor, offset = (part[:, None, None] for part in affine(plain))
    if (factor != 1.0).any():
        values *= factor
    if offset.any():
        values += offset
    return values.astype(DTYPES[plain.dtype], copy=False)
