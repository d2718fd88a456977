"""The steps of preprocessing that both layouts write down in the same words."""

from collections.abc import Mapping
from pathlib import Path

from parallax.models import files
from parallax.models.roboflow import values

_CONTRASTS = {
    "Contrast Stretching": "stretching",
    "Histogram Equalization": "equalization",
    "Adaptive Equalization": "adaptive",
}
_EDGES = (("x_min", 0), ("y_min", 0), ("x_max", 100), ("y_max", 100))


def read(steps: Mapping[str, object], path: Path) -> dict[str, object]:
    """Return the fields of ``description.InputDescription`` that the steps before resizing set.

    A step that is not there is off; what its absence says of the orientation is up to the layout.

    Raises:
        ModelRefusedError: a step makes no sense.
    """
    return {
        "crop": _crop(steps, path),
        "grayscale": _step(steps, "grayscale", path) is not None,
        "contrast": _contrast(steps, path),
    }


def orientation(steps: Mapping[str, object], path: Path) -> bool | None:
    """Tell whether pictures are turned as they say; None when the steps do not speak of it."""
    if "auto-orient" not in steps:
        return None
    value = steps["auto-orient"]
    if isinstance(value, bool):
        return value
    return values.enabled(values.table(value, path).get("enabled", True))


def _step(steps: Mapping[str, object], name: str, path: Path) -> Mapping[str, object] | None:
    """Return what a step says, or None when it is off."""
    value = steps.get(name)
    if isinstance(value, bool):
        return {} if value else None
    step = values.table(value, path)
    return step if values.enabled(step.get("enabled", False)) else None


def _crop(steps: Mapping[str, object], path: Path) -> list[object] | None:
    step = _step(steps, "static-crop", path)
    return None if step is None else [step.get(edge, default) for edge, default in _EDGES]


def _contrast(steps: Mapping[str, object], path: Path) -> str | None:
    step = _step(steps, "contrast", path)
    if step is None:
        return None
    kind = step.get("type")
    if kind not in _CONTRASTS:
        raise files.refused(path, f"the contrast {kind!r} is not served")
    return _CONTRASTS[str(kind)]
