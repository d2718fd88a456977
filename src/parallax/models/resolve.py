"""From what a package says and what its graph shows to one answer: how is this model to be served.

Everything that could go wrong later because the two disagree is refused here, with both sides
named.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parallax.contract import spec
from parallax.models import description, files, network, package, plain, recognition, served
from parallax.models.families import base, grids, heads

_FLOAT_BYTES = 4

_PROBE = 7
"""A batch size that no export has as a constant, to see whether the outputs follow the input."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """How a model is to be served."""

    head: recognition.Head
    labels: tuple[str, ...]
    input: spec.InputSpec
    pixels: spec.PlainInput
    batch: int | None
    """The batch axis where it is a constant."""
    fused_bytes: int
    """Upper bound of what the large outputs of one item take, once the graph is fused."""
    plain_bytes: int
    """The same for the outputs as exported."""
    notes: tuple[str, ...]
    """What was assumed, for the log."""


def resolve(found: package.Package) -> Resolved:
    """Decide how a model is to be served, and fix the input size in its graph.

    Raises:
        ModelRefusedError: its head is of no known family, or the package and the graph contradict
            each other.
    """
    described, opened = found.description, found.network
    if opened.dtype not in plain.DTYPES:
        raise files.refused(
            opened.path, f"its input is {opened.dtype}, expected float32 or float16"
        )
    size, shapes, batch, head = _head(described, opened)
    family = head.family
    labels, notes = _labels(described.labels, head, opened)
    return Resolved(
        head,
        labels,
        served.input_spec(described.input, family.defaults, size),
        served.pixels(described.input, family.defaults, opened.dtype),
        batch,
        heads.fused_bytes(family.task, head.layout, size),
        _plain_bytes(shapes, len(labels), size),
        (*head.notes, *notes),
    )


def _head(
    described: description.Description, opened: network.Network
) -> tuple[tuple[int, int], tuple[base.Shape, ...], int | None, recognition.Head]:
    """Return input size, output shapes, constant batch and head; fixes the size in the graph.

    Where nothing says the size, it is the family's usual one, which takes a first look at the
    shapes for another size.
    """
    size = _size(described, opened, base.Defaults().side)
    batch, shapes = _shapes(opened, *size)
    head = recognition.head(described, opened, shapes, size)
    usual = _size(described, opened, head.family.defaults.side)
    if usual == size:
        return size, shapes, batch, head
    batch, shapes = _shapes(opened, *usual)
    return usual, shapes, batch, recognition.head(described, opened, shapes, usual)


def _size(
    described: description.Description, opened: network.Network, usual: int
) -> tuple[int, int]:
    width = _side("width", opened, opened.width, described.input.width)
    height = _side("height", opened, opened.height, described.input.height)
    return width or usual, height or usual


def _side(name: str, opened: network.Network, fixed: int | None, wanted: int | None) -> int | None:
    if fixed is not None and wanted is not None and fixed != wanted:
        raise files.refused(
            opened.path, f"its input has the {name} {fixed}, but the package says {wanted}"
        )
    if fixed is not None and fixed > description.LARGEST_SIDE:
        raise files.refused(
            opened.path,
            f"its input has the {name} {fixed}, the limit is {description.LARGEST_SIDE} pixels",
        )
    return fixed or wanted


def _shapes(
    opened: network.Network, width: int, height: int
) -> tuple[int | None, tuple[base.Shape, ...]]:
    """Return the batch axis, where constant, and the shapes of the outputs at this size."""
    batch = opened.batch
    if batch is None:
        # Some exports name the batch axis of the input but reshape to a constant one inside: then
        # the outputs do not follow the input.
        probed = network.output_shapes(opened, _PROBE, width, height)
        first = probed[0][0] if probed and probed[0] else None
        batch = None if first == _PROBE else first
    network.fix_input(opened, batch, width, height)
    shapes = network.output_shapes(opened, batch or 1, width, height)
    if batch is None:
        shapes = tuple((None, *shape[1:]) if shape else shape for shape in shapes)
    return batch, shapes


def _labels(
    labels: tuple[str, ...] | None, head: recognition.Head, opened: network.Network
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    classes = head.layout.classes
    if labels is not None:
        return labels, ()
    if not classes:
        raise files.refused(
            opened.path,
            f"the outputs of {head.family.name} do not tell its number of classes; give labels",
        )
    numbers = tuple(str(index) for index in range(classes))
    return numbers, ("no labels given; classes are named by their numbers",)


def _plain_bytes(shapes: Sequence[base.Shape], classes: int, size: tuple[int, int]) -> int:
    """Return an upper bound, which for unknown shapes is that of the usual heads."""
    sides = [side for shape in shapes for side in shape[1:]]
    if not sides or None in sides:
        return _FLOAT_BYTES * grids.anchor_count(size) * (classes + 5)
    return _FLOAT_BYTES * sum(
        math.prod(side for side in shape[1:] if side is not None) for shape in shapes
    )
