"""The older layout: ``environment.json``, ``class_names.txt``, ``model_type.json``.

Unknown entries are ignored, as these files have many that concern training.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from parallax.contract import tasks
from parallax.models import description, files
from parallax.models.roboflow import kinds, steps, values

_FITS = {
    "Stretch to": ("stretch", None),
    "Fit (black edges) in": ("letterbox", 0),
    "Fit (white edges) in": ("letterbox", 255),
    "Fit (grey edges) in": ("letterbox", 114),
    "Fit (reflect edges) in": ("letterbox-reflect", None),
    "Fit within": ("letterbox", 0),
    "Fill (with center crop) in": ("fill", None),
}
"""What each ``resize.format`` means: way and padding. Unknown ones mean the first."""

_SHORT_COLOR = re.compile("#[0-9A-Fa-f]{3}")
_LONG_COLOR = re.compile("#[0-9A-Fa-f]{6}")


def model_type(path: Path) -> description.Description:
    """Describe a model by ``model_type.json``.

    Raises:
        ModelRefusedError: the file makes no sense, or names what is not served.
    """
    content = files.read_json(path)
    kind, word = kinds.plain(content.get("model_type")), content.get("project_task_type")
    return values.described(
        path,
        task=kinds.task(kind, word, path),
        architecture=kind,
        multi_label=kinds.multi_label(word),
        aliases=ids(content),
    )


def environment(path: Path, task: str | None) -> description.Description:
    """Describe a model by ``environment.json``.

    Args:
        path: the file.
        task: what the model does, as far as is known.

    Raises:
        ModelRefusedError: the file makes no sense.
    """
    content = files.read_json(path)
    multi_label = _multi_label(content, task)
    return values.described(
        path,
        labels=_class_map(content.get("CLASS_MAP"), path),
        colors=_colors(content.get("COLORS")),
        multi_label=multi_label,
        # The graphs of such classifiers end in the sigmoid.
        activation="none" if multi_label else None,
        input=_input(content, path),
    )


def ids(content: Mapping[str, object]) -> tuple[str, ...] | None:
    """Return the ids that a file gives its model."""
    named = (content.get(key) for key in ("model_id", "canonical_model_id"))
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name)) or None


def _multi_label(content: Mapping[str, object], task: str | None) -> bool | None:
    if "MULTICLASS" not in content or task not in (None, tasks.CLASSIFICATION):
        return None
    return values.enabled(content["MULTICLASS"])


def _input(content: Mapping[str, object], path: Path) -> dict[str, object]:
    """Return the fields of the input; all that is not switched on is off."""
    size = _resolution(content.get("RESOLUTION"))
    if not content.get("PREPROCESSING"):
        return size
    given = values.table(content["PREPROCESSING"], path)
    resize = values.table(given.get("resize"), path)
    fit, padding = _FITS.get(str(resize.get("format")), ("stretch", None))
    return {
        "auto_orient": bool(steps.orientation(given, path)),
        **steps.read(given, path),
        "resize": fit,
        "padding": padding,
        "width": values.side(resize.get("width")),
        "height": values.side(resize.get("height")),
        **size,
    }


def _resolution(value: object) -> dict[str, object]:
    """Return the size that a network was trained with, where it is not the data set's."""
    pair = value if isinstance(value, list) and len(value) == 2 else [value, value]
    height, width = (values.side(number) for number in pair)
    return {"width": width, "height": height} if width and height else {}


def _class_map(value: object, path: Path) -> tuple[str, ...] | None:
    names = values.table(value, path)
    if not names:
        return None
    labels = values.numbered(names)
    if labels is None:
        raise files.refused(path, "CLASS_MAP does not number its classes 0, 1, 2, ...")
    return labels


def _colors(value: object) -> dict[str, str] | None:
    """Return the colours of the classes. They are only drawn, so odd ones are left out."""
    found = {}
    for name, color in value.items() if isinstance(value, dict) else ():
        if _SHORT_COLOR.fullmatch(str(color)):
            found[name] = "#" + "".join(digit * 2 for digit in str(color)[1:])
        elif _LONG_COLOR.fullmatch(str(color)):
            found[name] = str(color)
    return found or None
