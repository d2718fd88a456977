"""From what a package says and what its graph shows to one answer: how is this model to be served.

Everything that could go wrong later because the two disagree is refused here, with both sides
named.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parallax.contract import spec
from parallax.models import description, files, network, package, plain
from parallax.models.families import base, grids, registry

DEFAULT_SIDE = 640
"""Pixels of a network's side where neither the graph nor the package says it."""


_FLOAT_BYTES = 4

_PROBE = 7
"""A batch size that no export has as a constant, to see whether the outputs follow the input."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """How a model is to be served."""

    family: base.Family
    layout: base.Layout | None
    """None: the shapes of the outputs are known only when it runs."""
    labels: tuple[str, ...]
    input: spec.InputSpec
    pixels: spec.PlainInput
    batch: int | None
    """The batch axis where it is a constant."""
    output_bytes: int
    """Upper bound of what the plain outputs of one item take."""
    notes: tuple[str, ...]
    """What was assumed, for the log."""


def resolve(found: package.Package) -> Resolved:
    """Decide how a model is to be served, and fix the input size in its graph.

    Raises:
        ModelRefusedError: its task is not served, its head is of no known family, or the package
        and
            the graph contradict each other.
    """
    described, opened = found.description, found.network
    if described.task not in (None, description.OBJECT_DETECTION):
        raise files.refused(opened.path, f"not served yet: {described.task}")
    if opened.dtype not in plain.DTYPES:
        raise files.refused(
            opened.path, f"its input is {opened.dtype}, expected float32 or float16"
        )
    width = _side("width", opened, opened.width, described.input.width)
    height = _side("height", opened, opened.height, described.input.height)
    batch, shapes = _shapes(opened, width, height)
    family, notes = _family(described, opened, shapes, (width, height))
    layout = _layout(family, opened, shapes, (width, height))
    labels, more = _labels(described.labels, layout, opened)
    target, pixels = _input(described.input, family.defaults, opened.dtype, (width, height))
    return Resolved(
        family,
        layout,
        labels,
        target,
        pixels,
        batch,
        _output_bytes(shapes, len(labels), (width, height)),
        (*notes, *more),
    )


def _side(name: str, opened: network.Network, fixed: int | None, wanted: int | None) -> int:
    if fixed is not None and wanted is not None and fixed != wanted:
        raise files.refused(
            opened.path, f"its input has the {name} {fixed}, but the package says {wanted}"
        )
    return fixed or wanted or DEFAULT_SIDE


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


def _family(
    described: description.Description,
    opened: network.Network,
    shapes: Sequence[base.Shape],
    size: tuple[int, int],
) -> tuple[base.Family, tuple[str, ...]]:
    name = described.family
    if name is not None:
        variant = registry.FAMILIES.get(name + registry.DECODED_SUFFIX)
        family = registry.FAMILIES.get(name)
        if family is None:
            known = ", ".join(registry.FAMILIES)
            raise files.refused(
                opened.path, f"not served yet: the family {name!r} (known: {known})"
            )
        return (variant if described.decoded and variant else family), ()
    fitting = registry.recognise(shapes, size)
    if len(fitting) != 1:
        which = " and ".join(family.name for family in fitting) or "no known family"
        raise files.refused(
            opened.path,
            f"output shapes {_text(shapes)} fit {which}; name the family in model.toml",
        )
    inferred = fitting[0]
    return inferred, (f"family {inferred.name} inferred from the output shapes {_text(shapes)}",)


def _layout(
    family: base.Family,
    opened: network.Network,
    shapes: Sequence[base.Shape],
    size: tuple[int, int],
) -> base.Layout | None:
    layout = family.recognise(shapes, size)
    known = all(shape and None not in shape[1:] for shape in shapes)
    if layout is None and known:
        raise files.refused(
            opened.path, f"output shapes {_text(shapes)} are not those of the family {family.name}"
        )
    return layout


def _labels(
    labels: tuple[str, ...] | None, layout: base.Layout | None, opened: network.Network
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if layout is None:
        if labels is None:
            raise files.refused(
                opened.path, "neither its output shapes nor the package tell its number of classes"
            )
        return labels, ("the number of classes could not be checked against the head",)
    if labels is None:
        numbers = tuple(str(index) for index in range(layout.classes))
        return numbers, ("no labels given; classes are named by their numbers",)
    if len(labels) != layout.classes:
        raise files.refused(
            opened.path,
            f"{len(labels)} labels are given, but its head has {layout.classes} classes",
        )
    return labels, ()


def _output_bytes(shapes: Sequence[base.Shape], classes: int, size: tuple[int, int]) -> int:
    """Return an upper bound, which for unknown shapes is that of the usual heads."""
    sides = [side for shape in shapes for side in shape[1:]]
    if not sides or None in sides:
        return _FLOAT_BYTES * grids.anchor_count(size) * (classes + 5)
    return _FLOAT_BYTES * sum(
        math.prod(side for side in shape[1:] if side is not None) for shape in shapes
    )


def _input(
    given: description.InputDescription,
    defaults: base.Defaults,
    dtype: str,
    size: tuple[int, int],
) -> tuple[spec.InputSpec, spec.PlainInput]:
    target = spec.InputSpec(
        width=size[0],
        height=size[1],
        resize=given.resize or defaults.resize,
        padding=defaults.padding if given.padding is None else given.padding,
    )
    pixels = spec.PlainInput(
        swap=(given.color or defaults.color) == "bgr",
        scale=given.scale or defaults.scale,
        mean=given.mean or defaults.mean,
        std=given.std or defaults.std,
        dtype=dtype,
    )
    return target, pixels


def _text(shapes: Sequence[base.Shape]) -> str:
    return ", ".join(
        "(" + ", ".join("?" if side is None else str(side) for side in shape) + ")"
        for shape in shapes
    )
