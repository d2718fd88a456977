"""The files that Roboflow's tools put beside a model, in the older and in the newer layout.

Unknown entries are ignored, as these files have many that concern training; but a step that would
change the pixels and that we do not do is a reason to refuse the model.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from parallax.models import description, files
from parallax.models.families import registry

FILES = (
    "environment.json",
    "class_names.txt",
    "model_type.json",
    "model_config.json",
    "inference_config.json",
)

_STEPS = ("static-crop", "contrast", "grayscale")
_FITS = {
    "Stretch to": ("stretch", None),
    "Fit (black edges) in": ("letterbox", 0),
    "Fit (white edges) in": ("letterbox", 255),
    "Fit (grey edges) in": ("letterbox", 114),
    "Fit (reflect edges) in": ("letterbox", 0),
    "Fit within": ("letterbox", 0),
    "Fill (with center crop) in": ("letterbox", 0),
}
"""How Roboflow's server treats each ``resize.format``: way and padding."""
_MODES = {
    "stretch": ("stretch", None),
    "letterbox": ("letterbox", 0),
    "letterbox-reflect-edges": ("letterbox", 0),
    "fit-longer-edge": ("letterbox", 127),
}
"""Likewise for ``resize_mode`` of the newer layout."""
_TASK_SUFFIXES = {
    "-seg": "instance-segmentation",
    "-pose": "keypoint-detection",
    "-cls": "classification",
}


def read(folder: Path) -> tuple[description.Description, tuple[Path, ...]]:
    """Describe the model in a folder by Roboflow's files; empty when there is none of them.

    Returns:
        The description, and which files it took in.

    Raises:
        ModelRefusedError: a file makes no sense, or asks for something that is not served.
    """
    described = description.Description()
    taken = []
    for name in FILES:
        path = folder / name
        if path.is_file():
            taken.append(path)
            described = description.merge(described, _READERS[name](path))
    return described, tuple(taken)


def _environment(path: Path) -> description.Description:
    content = files.read_json(path)
    steps = _table(content.get("PREPROCESSING"), path)
    _refuse_steps(steps, path)
    resize = _table(steps.get("resize"), path)
    fit, padding = _FITS.get(str(resize.get("format")), ("stretch", None))
    return _described(
        path,
        labels=_class_map(content.get("CLASS_MAP"), path),
        input={
            "resize": fit if steps else None,
            "padding": padding,
            "width": _side(resize.get("width")),
            "height": _side(resize.get("height")),
        },
    )


def _class_names(path: Path) -> description.Description:
    return _described(path, labels=files.read_lines(path) or None)


def _model_type(path: Path) -> description.Description:
    content = files.read_json(path)
    return _architecture(path, content.get("model_type"), content.get("project_task_type"), content)


def _model_config(path: Path) -> description.Description:
    content = files.read_json(path)
    backend = content.get("backend_type", "onnx")
    if backend != "onnx":
        raise files.refused(
            path, f"a package for the back end {backend!r} is not served, only onnx"
        )
    return _architecture(path, content.get("model_architecture"), content.get("task_type"), content)


def _inference_config(path: Path) -> description.Description:
    content = files.read_json(path)
    _refuse_steps(_table(content.get("image_pre_processing"), path), path)
    if content.get("class_names_operations"):
        raise files.refused(path, "not served yet: class_names_operations")
    if _table(content.get("post_processing"), path).get("fused"):
        raise files.refused(path, "not served yet: post-processing fused into the graph")
    network = _table(content.get("network_input"), path)
    mode = str(network.get("resize_mode", "stretch"))
    if mode not in _MODES:
        raise files.refused(path, f"not served yet: resize_mode {mode!r}")
    fit, padding = _MODES[mode]
    size = _table(network.get("training_input_size"), path)
    mean, std = _normalization(network.get("normalization"), path)
    given_padding = network.get("padding_value")
    return _described(
        path,
        input={
            "resize": fit,
            "padding": padding if given_padding is None else given_padding,
            "width": size.get("width"),
            "height": size.get("height"),
            "color": network.get("color_mode"),
            # Without a factor the network takes pixels as they are, 0 to 255.
            "scale": network.get("scaling_factor") or 1.0,
            "mean": mean,
            "std": std,
        },
    )


_READERS = {
    "environment.json": _environment,
    "class_names.txt": _class_names,
    "model_type.json": _model_type,
    "model_config.json": _model_config,
    "inference_config.json": _inference_config,
}


def _described(path: Path, **fields: object) -> description.Description:
    try:
        return msgspec.convert(fields, description.Description, strict=True)
    except msgspec.ValidationError as problem:
        raise files.refused(path, str(problem)) from problem


def _architecture(
    path: Path, architecture: object, task: object, content: Mapping[str, object]
) -> description.Description:
    """Describe family and task, and other ids of the model as aliases."""
    kind = str(architecture or "").lower()
    by_suffix = next((t for s, t in _TASK_SUFFIXES.items() if kind.endswith(s)), None)
    named = description.task_name(str(task)) if task else by_suffix
    family = registry.by_architecture(kind) if kind else None
    if kind and family is None and named in (None, description.OBJECT_DETECTION):
        raise files.refused(path, f"not served yet: the architecture {architecture!r}")
    ids = (content.get(key) for key in ("model_id", "canonical_model_id"))
    aliases = tuple(dict.fromkeys(i for i in ids if isinstance(i, str) and i))
    return _described(
        path, task=named, family=family.name if family else None, aliases=aliases or None
    )


def _table(value: object, path: Path) -> dict[str, object]:
    """Return an object that may be absent, or a JSON text of an object."""
    if value is None:
        return {}
    if isinstance(value, str):
        return files.parse_json(path, value)
    if not isinstance(value, dict):
        raise files.refused(path, f"expected an object, found {type(value).__name__}")
    return value


def _refuse_steps(steps: Mapping[str, object], path: Path) -> None:
    for step in _STEPS:
        if _table(steps.get(step), path).get("enabled"):
            raise files.refused(path, f"not served yet: the preprocessing step {step!r}")


def _class_map(value: object, path: Path) -> tuple[str, ...] | None:
    names = _table(value, path)
    if not names:
        return None
    if set(names) != {str(index) for index in range(len(names))}:
        raise files.refused(path, "CLASS_MAP does not number its classes 0, 1, 2, ...")
    return tuple(str(names[str(index)]) for index in range(len(names)))


def _side(value: object) -> int | None:
    """Return a number of pixels that may be written as text."""
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None


def _normalization(value: object, path: Path) -> tuple[object, object]:
    if value is None:
        return None, None
    if not isinstance(value, list) or len(value) != 2:
        raise files.refused(path, "normalization is not [[mean], [std]]")
    return value[0], value[1]
