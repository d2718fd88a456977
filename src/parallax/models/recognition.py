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
    said, described = described, _with_task(described)
    known = _known(described)
    named = _named(said, described, opened)
    if not _all_known(shapes):
        return _unseen(named, known, opened)
    for family in registry.possible(named, known, described.task):
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


def _named(
    said: description.Description, described: description.Description, opened: network.Network
) -> list[base.Family]:
    """Return the families that the package names or hints at; none: it does neither.

    ``said`` is the description without the task that it implies.
    """
    if described.family is not None:
        found = registry.named(described.family, described.task, decoded=described.decoded)
        if not found:
            raise files.refused(opened.path, _no_family(said, described))
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
    if len(fitting) > 1:
        raise files.refused(
            opened.path,
            f"output shapes {text(shapes)} fit {_several(fitting)}{_said(described, known)}; "
            "name the family in model.toml",
        )
    if not fitting:
        raise files.refused(
            opened.path, f"output shapes {text(shapes)} {_misfit(described, shapes, size)}"
        )
    family = fitting[0]
    layout = family.recognise(shapes, size, known)
    assert layout is not None
    note = f"family {family.name} inferred from the output shapes {text(shapes)}"
    return Head(family, layout, certain=True, notes=(note,))


def _no_family(said: description.Description, described: description.Description) -> str:
    """Return why no family has the name and the task of a package."""
    assert described.family is not None
    anywhere = registry.named(described.family, None)
    if not anywhere:
        known = ", ".join(registry.accepted())
        return f"the family {described.family!r} is not known (known: {known})"
    does = _listed([family.task for family in anywhere])
    why = "" if said.task else ", which [keypoints] or keypoint_shape implies"
    return f"the family {described.family!r} does {does}, not {described.task}{why}"


def _misfit(
    described: description.Description, shapes: Sequence[base.Shape], size: tuple[int, int]
) -> str:
    """Return why shapes fit no family: the number of labels, else the task, else neither."""
    known = _known(described)
    free = msgspec.structs.replace(known, classes=0)
    fitting = registry.recognise(shapes, size, free, described.task)
    if known.classes and fitting:
        found = [(family, family.recognise(shapes, size, free)) for family in fitting]
        counts = dict.fromkeys(layout.classes for _, layout in found if layout is not None)
        which = " or ".join(
            f"{_grouped([f for f, of in found if of and of.classes == count])} "
            f"with {count} class{'es' if count != 1 else ''}"
            for count in counts
        )
        given = "1 label is" if known.classes == 1 else f"{known.classes} labels are"
        return f"fit {which}, but {given} given"
    elsewhere = registry.recognise(shapes, size, known, None) if described.task else []
    if elsewhere:
        return f"fit {_grouped(elsewhere)}, but the task is {described.task}"
    return f"fit no known family{_said(described, known)}; name the family in model.toml"


def _grouped(families: Sequence[base.Family]) -> str:
    """Return the names of families, and behind those of one task the task."""
    by_task: dict[str, list[str]] = {}
    for family in families:
        by_task.setdefault(family.task, []).append(family.name)
    return ", or ".join(f"{_listed(names)} ({task})" for task, names in by_task.items())


def _several(families: Sequence[base.Family]) -> str:
    """Return the names of two or more families with what they do."""
    if len({family.task for family in families}) > 1:
        return _grouped(families)
    every = "both" if len(families) == 2 else "all"
    return f"{_listed([family.name for family in families])}, {every} for {families[0].task}"


def _listed(words: Sequence[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} and {last}" if first else last


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
