"""Which family a network's head belongs to: what the package says, held against the shapes.

A family that is named must fit. An architecture is only a hint, because one architecture is
exported in several ways; and without either the shapes must fit exactly one family.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from parallax.contract import spec, tasks
from parallax.models import description, files, network
from parallax.models.families import base, registry


@dataclass(frozen=True, slots=True)
class Head:
    """A family and what its outputs hold."""

    family: base.Family
    layout: spec.Layout
    certain: bool
    """False: the shapes of the outputs are known only when it runs."""
    notes: tuple[str, ...] = ()
    """What was assumed, for the log."""


def head(
    described: description.Description,
    opened: network.Network,
    shapes: Sequence[base.Shape],
    size: tuple[int, int],
) -> Head:
    """Find the family of a network's head.

    Args:
        described: what the package says.
        opened: the network.
        shapes: of its outputs, with the batch axis.
        size: (width, height) of its input.

    Raises:
        ModelRefusedError: no family fits, or several do, or what the package says does not.
    """
    described = _with_task(described)
    known = _known(described)
    named = _named(described, opened)
    if not _all_known(shapes):
        return _unseen(named, known, opened)
    for family in named:
        layout = family.recognise(shapes, size, known)
        if layout is not None:
            return Head(family, layout, certain=True)
    if described.family is not None:
        raise files.refused(
            opened.path,
            f"output shapes {text(shapes)} are not those of the family {described.family}"
            f"{_said(described, known)}",
        )
    return _inferred(described, opened, shapes, size)


def _with_task(described: description.Description) -> description.Description:
    """Return the description with the task that other things it says imply."""
    if described.task is None and (described.keypoint_shape or described.keypoints):
        return msgspec.structs.replace(described, task=tasks.KEYPOINT_DETECTION)
    return described


def _known(described: description.Description) -> spec.Layout:
    keypoints, values = described.keypoint_shape or (0, 3)
    if not keypoints and described.keypoints:
        keypoints = max(len(of.names) for of in described.keypoints)
    activation = described.activation
    if activation is None and described.multi_label:
        activation = "sigmoid"  # The families' usual softmax would make the classes compete.
    return spec.Layout(
        classes=len(described.labels or ()),
        keypoints=keypoints,
        keypoint_values=values,
        activation=activation,
    )


def _named(described: description.Description, opened: network.Network) -> list[base.Family]:
    """Return the families that the package names or hints at; none: it does neither."""
    if described.family is not None:
        found = registry.named(described.family, described.task, decoded=described.decoded)
        if not found:
            anywhere = registry.named(described.family, None)
            why = f"does not do {described.task}" if anywhere else "is not known"
            known = ", ".join(registry.names())
            raise files.refused(
                opened.path, f"the family {described.family!r} {why} (known: {known})"
            )
        return found
    if described.architecture is None:
        return []
    found = registry.by_architecture(
        described.architecture, described.task, decoded=described.decoded
    )
    if not found:
        task = f" for {described.task}" if described.task else ""
        raise files.refused(
            opened.path, f"the architecture {described.architecture!r}{task} is not served"
        )
    return found


def _unseen(named: Sequence[base.Family], known: spec.Layout, opened: network.Network) -> Head:
    if not named:
        raise files.refused(
            opened.path, "its output shapes are not known; name the family in model.toml"
        )
    if not known.classes:
        raise files.refused(
            opened.path, "neither its output shapes nor the package tell its number of classes"
        )
    if named[0].task == tasks.INSTANCE_SEGMENTATION:
        raise files.refused(
            opened.path,
            f"its output shapes are not known, which {named[0].task} needs; "
            "export it with a fixed input size",
        )
    note = "the number of classes could not be checked against the head"
    return Head(named[0], known, certain=False, notes=(note,))


def _inferred(
    described: description.Description,
    opened: network.Network,
    shapes: Sequence[base.Shape],
    size: tuple[int, int],
) -> Head:
    known = _known(described)
    fitting = registry.recognise(shapes, size, known, described.task)
    if len(fitting) != 1:
        which = " and ".join(f"{f.name} ({f.task})" for f in fitting) or "no known family"
        raise files.refused(
            opened.path,
            f"output shapes {text(shapes)} fit {which}{_said(described, known)}; "
            "name the family in model.toml",
        )
    family = fitting[0]
    layout = family.recognise(shapes, size, known)
    assert layout is not None
    note = f"family {family.name} inferred from the output shapes {text(shapes)}"
    return Head(family, layout, certain=True, notes=(note,))


def _said(described: description.Description, known: spec.Layout) -> str:
    """Return what the package says of its outputs, as the end of a sentence."""
    facts = [
        f"{number} {what}"
        for number, what in ((known.classes, "classes"), (known.keypoints, "keypoints"))
        if number
    ]
    if described.task:
        facts.insert(0, described.task)
    return f" with {', '.join(facts)}" if facts else ""


def _all_known(shapes: Sequence[base.Shape]) -> bool:
    return all(shape and None not in shape[1:] for shape in shapes)


def text(shapes: Sequence[base.Shape]) -> str:
    """Return shapes as they are shown to people."""
    return ", ".join(
        "(" + ", ".join("?" if side is None else str(side) for side in shape) + ")"
        for shape in shapes
    )
