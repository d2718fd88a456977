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


Execute = Callable[[Sequence[NDArray[np.uint8]]], session.Outputs]


def run(execute: Execute, tensors: Sequence[NDArray[np.uint8]], most: int) -> Outcome:
    """Run tensors of one shape through ``execute``, ``most`` at a time, in order."""
    parts = [_run(execute, tensors[at : at + most]) for at in range(0, len(tensors), most)]
    if len(parts) == 1:
        return parts[0]
    caps = [part.memory_cap for part in parts if part.memory_cap is not None]
    return Outcome([item for part in parts for item in part.items], min(caps, default=None))


def _run(execute: Execute, tensors: Sequence[NDArray[np.uint8]]) -> Outcome:
    """Run tensors as a batch, splitting it where it fails."""
    try:
        outputs = execute(tensors)
    except Exception as problem:  # noqa: BLE001 - the model is foreign code: it may raise anything
        if len(tensors) == 1:
            log.warning("an item failed in the model: %s", problem)
            return Outcome([problem], None)
        half = len(tensors) // 2
        first, second = _run(execute, tensors[:half]), _run(execute, tensors[half:])
        caps = [each.memory_cap for each in (first, second) if each.memory_cap is not None]
        if isinstance(problem, session.OutOfDeviceMemoryError):
            caps.append(half)
        return Outcome(first.items + second.items, min(caps, default=None))
    return Outcome([tuple(output[i] for output in outputs) for i in range(len(tensors))], None)
