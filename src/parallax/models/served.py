"""From what a package says to what the stages are told, but for the head (see ``recognition``).

Pure functions: what the package leaves open comes from the family's defaults.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from parallax.contract import spec
from parallax.models import description, files
from parallax.models.families import base

BACKGROUND = "background_class83422"
"""The name that Roboflow's tools give the class of an RF-DETR which stands for nothing."""

_WHOLE = (0.0, 0.0, 100.0, 100.0)


def input_spec(
    given: description.InputDescription, defaults: base.Defaults, size: tuple[int, int]
) -> spec.InputSpec:
    """Return the tensor that the network's pictures become; ``size`` is (width, height)."""
    return spec.InputSpec(
        width=size[0],
        height=size[1],
        resize=given.resize or defaults.resize,
        padding=defaults.padding if given.padding is None else given.padding,
        auto_orient=given.auto_orient is not False,
        crop=None if given.crop == _WHOLE else given.crop,
        grayscale=bool(given.grayscale),
        contrast=None if given.contrast == "none" else given.contrast,
    )


def pixels(
    given: description.InputDescription, defaults: base.Defaults, dtype: str
) -> spec.PlainInput:
    """Return how that tensor becomes the network's input, an array of ``dtype``."""
    return spec.PlainInput(
        swap=(given.color or defaults.color) == "bgr",
        scale=given.scale or defaults.scale,
        mean=given.mean or defaults.mean,
        std=given.std or defaults.std,
        dtype=dtype,
    )


def thresholds(
    given: description.ThresholdsDescription, labels: Sequence[str], defaults: base.Defaults
) -> spec.Thresholds:
    """Return what the words for a confidence mean; classes without one of their own have the
    best of all, or else the default."""
    default = defaults.confidence if given.default is None else given.default
    by_class = given.best_by_class or {}
    usual = default if given.best is None else given.best
    return spec.Thresholds(
        default=default,
        best=given.best,
        best_by_class=tuple(by_class.get(label, usual) for label in labels) if by_class else None,
    )


def hidden(described: description.Description, labels: Sequence[str]) -> tuple[int, ...]:
    """Return the ids of the classes that are never reported."""
    names = {*(described.hidden or ()), BACKGROUND}
    return tuple(index for index, label in enumerate(labels) if label in names)


def colors(described: description.Description, labels: Sequence[str]) -> tuple[str, ...]:
    """Return ``#rrggbb`` by class id, empty for a class that has none; () when no class has."""
    given = described.colors or {}
    found = tuple(given.get(label, "") for label in labels)
    return found if any(found) else ()


def skeletons(
    described: description.Description, labels: Sequence[str], keypoints: int, path: Path
) -> tuple[spec.Skeleton, ...]:
    """Return the keypoints by class id; one entry stands for all classes.

    Args:
        described: what the package says.
        labels: of all classes.
        keypoints: per box, as the head has them; 0: none.
        path: of the network, for messages.

    Raises:
        ModelRefusedError: the package names another number of keypoints than the head has, or
            keypoints of classes that there are not.
    """
    if not keypoints:
        return ()
    given = described.keypoints or ()
    most = max((len(one.names) for one in given), default=0)
    if most == 0:
        return (spec.Skeleton(tuple(str(index) for index in range(keypoints))),)
    if most != keypoints:
        raise files.refused(path, f"{most} keypoints are named, but its head has {keypoints}")
    if len(given) > len(labels):
        raise files.refused(
            path, f"keypoints of {len(given)} classes are named, but there are {len(labels)}"
        )
    found = tuple(spec.Skeleton(one.names, one.edges) for one in given)
    missing = len(labels) - len(found) if len(found) > 1 else 0
    return found + (spec.Skeleton(()),) * missing


def strangers(described: description.Description, labels: Sequence[str]) -> Iterator[str]:
    """Yield a remark on each setting for a class that there is not."""
    named = {
        "thresholds": described.thresholds.best_by_class or {},
        "hidden": described.hidden or (),
    }
    for setting, names in named.items():
        unknown = [name for name in names if name not in labels]
        if unknown:
            yield f"{setting}: there is no class {unknown[0]!r}"
