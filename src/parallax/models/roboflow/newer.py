"""The newer layout: ``model_config.json`` and ``inference_config.json``.

Unknown entries are ignored, as these files have many for other back ends.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from parallax.models import description, files
from parallax.models.roboflow import kinds, legacy, steps, values

_BACKEND = "onnx"
_YOLO_PADDING = 127
_MODES = {
    "stretch": "stretch",
    "letterbox": "letterbox",
    "letterbox-reflect-edges": "letterbox-reflect",
    "center-crop": "center-crop",
}
_ACTIVATIONS = ("softmax", "sigmoid")
_MOST_PICTURES = 1024


def refusal(content: Mapping[str, object]) -> str | None:
    """Return why a package is not for us, from ``model_config.json``; None: it is for ONNX."""
    backend = str(content.get("backend_type") or _BACKEND)
    if backend != _BACKEND:
        return f"a package for the back end {backend[:40]!r} is not served, only {_BACKEND}"
    if content.get("model_module") or content.get("model_class"):
        return "a package with code of its own is not served"
    return None


def model_config(path: Path) -> description.Description:
    """Describe a model by ``model_config.json``.

    Raises:
        ModelRefusedError: the file makes no sense, or is not for ONNX.
    """
    content = files.read_json(path)
    reason = refusal(content)
    if reason is not None:
        raise files.refused(path, reason)
    kind, word = kinds.plain(content.get("model_architecture")), content.get("task_type")
    recommended = values.table(content.get("recommended_parameters"), path)
    return values.described(
        path,
        task=kinds.task(kind, word, path),
        architecture=kind,
        aliases=legacy.ids(content),
        multi_label=kinds.multi_label(word),
        thresholds={
            "best": recommended.get("confidence"),
            "best_by_class": recommended.get("per_class_confidence") or None,
        },
    )


def inference_config(
    path: Path, architecture: str
) -> tuple[description.Description, tuple[str, ...]]:
    """Describe a model by ``inference_config.json``.

    Args:
        path: the file.
        architecture: as ``kinds.plain`` returns it; empty when it is not known.

    Returns:
        The description, and what was left out of account.

    Raises:
        ModelRefusedError: the file makes no sense, or asks for something that is not served.
    """
    content = files.read_json(path)
    network = values.table(content.get("network_input"), path)
    given = values.table(content.get("image_pre_processing"), path)
    described = values.described(
        path,
        **_post_processing(values.table(content.get("post_processing"), path), path),
        hidden=tuple(_removed(content.get("class_names_operations"), path)) or None,
        batching={"max": _largest_batch(values.table(content.get("forward_pass"), path))},
        input={
            "auto_orient": steps.orientation(given, path),
            **steps.read(given, path),
            **_network_input(network, architecture, path),
        },
    )
    return described, tuple(_notes(network))


def _network_input(
    network: Mapping[str, object], architecture: str, path: Path
) -> dict[str, object]:
    if not network:
        return {}
    channels = network.get("input_channels")
    if channels not in (None, 3):
        raise files.refused(path, f"a network of {channels!r} input channels is not served, only 3")
    fit, padding = _resize(str(network.get("resize_mode") or "stretch"), architecture, path)
    size = values.table(network.get("training_input_size"), path)
    mean, std = _normalization(network.get("normalization"), path)
    given = network.get("padding_value")
    return {
        "resize": fit,
        "padding": padding if given is None else given,
        "width": values.side(size.get("width")),
        "height": values.side(size.get("height")),
        "color": network.get("color_mode"),
        # Without a factor the network takes pixels as they are, 0 to 255.
        "scale": network.get("scaling_factor") or 1.0,
        "mean": mean,
        "std": std,
    }


def _resize(mode: str, architecture: str, path: Path) -> tuple[str, int]:
    """Return way and padding. ``fit-longer-edge`` means something else in each family."""
    if mode == "fit-longer-edge":
        return ("letterbox", _YOLO_PADDING) if architecture.startswith("yolo") else ("stretch", 0)
    if mode not in _MODES:
        raise files.refused(path, f"the resize_mode {mode[:40]!r} is not served")
    return _MODES[mode], 0


def _normalization(value: object, path: Path) -> tuple[object, object]:
    if value is None:
        # Without one the network's values are not shifted, whatever is usual in its family.
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if not isinstance(value, list) or len(value) != 2:
        raise files.refused(path, "normalization is not [[mean], [std]]")
    return value[0], value[1]


def _post_processing(content: Mapping[str, object], path: Path) -> dict[str, object]:
    kind, fused = content.get("type"), values.enabled(content.get("fused"))
    if kind in _ACTIVATIONS:
        return {
            "activation": "none" if fused else kind,
            "multi_label": True if kind == "sigmoid" else None,
        }
    limits = values.table(content.get("nms_parameters"), path)
    return {
        "suppress": False if fused and kind == "nms" else None,
        "thresholds": {"default": limits.get("confidence_threshold")},
    }


def _largest_batch(forward: Mapping[str, object]) -> int | None:
    sizes = (forward.get(key) for key in ("static_batch_size", "max_dynamic_batch_size"))
    known = (values.side(size) for size in sizes)
    return next((min(size, _MOST_PICTURES) for size in known if size), None)


def _removed(value: object, path: Path) -> Iterator[str]:
    """Yield the labels that are not to be reported."""
    for operation in values.items(value, path):
        kind, name = operation.get("type"), operation.get("class_name")
        if kind != "class_name_removal" or not isinstance(name, str):
            raise files.refused(path, f"the class_names_operation {str(kind)[:40]!r} is not served")
        yield name


def _notes(network: Mapping[str, object]) -> Iterator[str]:
    if values.enabled(network.get("dynamic_spatial_size_supported")):
        yield "dynamic_spatial_size is ignored: all pictures are brought to one size"
    if network.get("dataset_version_resize_dimensions"):
        yield (
            "dataset_version_resize_dimensions is ignored: pictures are resized once, straight to "
            "the network's input"
        )
