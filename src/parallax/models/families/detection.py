"""The common end of all detection heads: few candidates, from a fused graph or from plain
outputs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec
from parallax.models.families import registry

Array = NDArray[np.floating]

MAX_CANDIDATES = 3000
"""Best boxes of a picture that reach suppression; the default of the Roboflow request schema."""


def reduce(
    model: spec.ModelSpec, outputs: Sequence[Array], params: messages.DetectionParams
) -> tuple[Array, ...]:
    """Cut one item's outputs to what can matter to its answer, before they travel.

    Args:
        model: whose outputs these are.
        outputs: of one item, without the batch axis; a fused graph has one, (K, 6).
        params: what the client asked of detection.

    Returns:
        For a fused graph one C-contiguous copy (n, 6) of the rows with at least ``confidence``, so
        that the batch's output can be reused at once; plain outputs as they are.
    """
    if not model.fused:
        return tuple(outputs)
    rows = outputs[0]
    return (rows[rows[:, 4] >= params.confidence],)


def candidates(model: spec.ModelSpec, outputs: Sequence[Array]) -> NDArray[np.float32]:
    """Return the candidates in one item's outputs, as ``reduce`` left them.

    Returns:
        (n, 6) float32: centre x, centre y, width, height in network pixels, score, class.

    Raises:
        ModelFailedError: the outputs do not have the shape of the model's family.
    """
    if not outputs:
        raise errors.ModelFailedError(f"{model.id} returned no output")
    if not model.fused:
        return registry.FAMILIES[model.family].candidates(outputs, model.input)
    rows = outputs[0]
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise errors.ModelFailedError(f"{model.id} returned {rows.shape}, expected (n, 6)")
    return rows.astype(np.float32, copy=False)
