"""Running a batch so that one bad item fails alone.

If a batch raises, it is split in halves until the guilty item stands alone; the innocent get their
outputs. If the device runs out of memory, the same split tells how much fits.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parallax.engine import session

log = logging.getLogger(__name__)

Item = tuple[NDArray[Any], ...]
"""The outputs of one item, without the batch axis."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each item of a batch, in order, and how large a batch fitted in memory."""

    items: list[Item | Exception]
    memory_cap: int | None


def run(
    execute: Callable[[Sequence[NDArray[np.uint8]]], session.Outputs],
    tensors: Sequence[NDArray[np.uint8]],
) -> Outcome:
    """Run tensors of one shape as a batch through ``execute``, splitting it where it fails."""
    try:
        outputs = execute(tensors)
    except Exception as problem:  # noqa: BLE001 - the model is foreign code: it may raise anything
        if len(tensors) == 1:
            log.warning("an item failed in the model: %s", problem)
            return Outcome([problem], None)
        half = len(tensors) // 2
        first, second = run(execute, tensors[:half]), run(execute, tensors[half:])
        caps = [each.memory_cap for each in (first, second) if each.memory_cap is not None]
        if isinstance(problem, session.OutOfDeviceMemoryError):
            caps.append(half)
        return Outcome(first.items + second.items, min(caps, default=None))
    return Outcome([tuple(output[i] for output in outputs) for i in range(len(tensors))], None)
