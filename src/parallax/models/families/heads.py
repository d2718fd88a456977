"""What leaves the network, from the inference loop to the post stage: reduced there, read here.

A fused graph ends in the few tensors that ``fused_outputs`` names; a plain one ends as it was
exported, and its family decodes it with NumPy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec, tasks
from parallax.models.families import arrays, base, registry

Array = NDArray[Any]
Floats = NDArray[np.float32]

_CANDIDATES = base.PREFIX + "candidates"
_FUSED = {
    tasks.OBJECT_DETECTION: (_CANDIDATES,),
    tasks.KEYPOINT_DETECTION: (_CANDIDATES,),
    tasks.INSTANCE_SEGMENTATION: (_CANDIDATES, base.PREFIX + "maps"),
    tasks.CLASSIFICATION: (base.PREFIX + "scores",),
    tasks.SEMANTIC_SEGMENTATION: (base.PREFIX + "classes", base.PREFIX + "confidence"),
}
_COLUMNS = 6
_SCORE = 4
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The boxes of one item."""

    rows: Floats
    """(n, 6 + E): centre x, centre y, width, height in network pixels, score, class id, extras."""
    maps: Floats | None = None
    """(P, h, w) prototypes or mask logits that cover the network's input; see ``base.Rows``."""


def fused_outputs(task: str) -> tuple[str, ...]:
    """Return the names of the outputs that a fused graph for a task has."""
    return _FUSED[task]


def extras(layout: spec.Layout) -> int:
    """Return how many columns a row of boxes has beyond score and class."""
    if layout.keypoints:
        return layout.keypoints * 3
    if layout.coefficients:
        return layout.coefficients
    return 1 if layout.map_size else 0


def fused_bytes(task: str, layout: spec.Layout, network: tuple[int, int]) -> int:
    """Return an upper bound of each of a fused graph's outputs for one item, where one of them is
    large; 0: none is."""
    if task == tasks.SEMANTIC_SEGMENTATION:
        return network[0] * network[1]
    if layout.map_size is None:
        return 0
    planes = layout.coefficients or layout.anchors
    maps = planes * layout.map_size[0] * layout.map_size[1]
    return _FLOAT_BYTES * max(maps, base.MAX_CANDIDATES * (_COLUMNS + extras(layout)))


def reduce(
    model: spec.ModelSpec, outputs: Sequence[Array], params: messages.Params
) -> tuple[Array, ...]:
    """Cut one item's outputs to what can matter to its answer, before they travel.

    Args:
        model: whose outputs these are.
        outputs: of one item, without the batch axis.
        params: what the client asked for.

    Returns:
        For a fused graph of boxes a copy of the rows with at least ``confidence``, and only the
        maps that they need; other outputs as they are.
    """
    if not model.fused or not isinstance(params, messages.DetectionParams):
        return tuple(outputs)
    rows = outputs[0]
    rows = rows[rows[:, _SCORE] >= params.confidence]
    if model.task != tasks.INSTANCE_SEGMENTATION:
        return (rows,)
    maps = outputs[1]
    if model.layout.coefficients:
        return rows, maps if len(rows) else maps[:0]
    # One map per query, of which most found nothing: the rest travels, and rows point anew.
    kept, rows[:, _COLUMNS] = np.unique(rows[:, _COLUMNS].astype(np.intp), return_inverse=True)
    return rows, maps[kept]


def found(model: spec.ModelSpec, outputs: Sequence[Array]) -> Found:
    """Return the boxes in one item's outputs, as ``reduce`` left them.

    Raises:
        ModelFailedError: the outputs do not have the shapes of the model's family.
    """
    if not model.fused:
        head = _decode(model, outputs)
        if not isinstance(head, base.Rows):
            raise _unfit(model, outputs)
        parts = [head.boxes, head.scores, head.classes]
        rows = np.concatenate(parts if head.extras is None else [*parts, head.extras], axis=2)
        return Found(rows[0], None if head.maps is None else head.maps[0])
    columns = _COLUMNS + extras(model.layout)
    _check(model, outputs, len(_FUSED[model.task]))
    rows = outputs[0].astype(np.float32, copy=False)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise _unfit(model, outputs)
    if len(outputs) == 1:
        return Found(rows)
    if outputs[1].ndim != 3:
        raise _unfit(model, outputs)
    return Found(rows, outputs[1].astype(np.float32, copy=False))


def scores(model: spec.ModelSpec, outputs: Sequence[Array]) -> Floats:
    """Return the (C,) activated class scores in one item's outputs.

    Raises:
        ModelFailedError: the outputs do not have the shapes of the model's family.
    """
    if model.fused:
        _check(model, outputs, 1)
        values = outputs[0].astype(np.float32, copy=False)
    else:
        head = _decode(model, outputs)
        if not isinstance(head, base.Scores):
            raise _unfit(model, outputs)
        values = head.values[0]
    if values.shape != (len(model.labels),):
        raise _unfit(model, outputs)
    return values


def pixels(
    model: spec.ModelSpec, outputs: Sequence[Array]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return class id and confidence (255 = certain) of each pixel of the network's input.

    Returns:
        Two uint8 (height, width).

    Raises:
        ModelFailedError: the outputs do not have the shapes of the model's family.
    """
    shape = (model.input.height, model.input.width)
    if model.fused:
        _check(model, outputs, 2)
        classes, confidence = outputs
    else:
        head = _decode(model, outputs)
        if not isinstance(head, base.Pixels):
            raise _unfit(model, outputs)
        classes, confidence = head.classes[0], head.confidence[0]
    if classes.shape != shape or confidence.shape != shape:
        raise _unfit(model, outputs)
    return classes.astype(np.uint8, copy=False), confidence.astype(np.uint8, copy=False)


def _decode(model: spec.ModelSpec, outputs: Sequence[Array]) -> base.Head[Floats]:
    """Decode one item's plain outputs, after a look at their shapes."""
    network = (model.input.width, model.input.height)
    shapes = tuple((1, *output.shape) for output in outputs)
    family = registry.of(model)
    known = msgspec.structs.replace(model.layout, anchors=0, map_size=None, order=(0,))
    layout = family.recognise(shapes, network, known)
    if layout is None:
        raise _unfit(model, outputs)
    batched = [outputs[index][None].astype(np.float32, copy=False) for index in layout.order]
    return family.decode(arrays.Arrays(), batched, network, layout)


def _check(model: spec.ModelSpec, outputs: Sequence[Array], count: int) -> None:
    if len(outputs) != count:
        raise _unfit(model, outputs)


def _unfit(model: spec.ModelSpec, outputs: Sequence[Array]) -> errors.ModelFailedError:
    shapes = ", ".join(str(output.shape) for output in outputs) or "nothing"
    return errors.ModelFailedError(
        f"{model.id} returned {shapes}, which is no {model.family} head for {model.task}"
    )
