"""The metadata that Ultralytics writes into the ONNX files it exports (also YOLOv5's few keys).

What the keys mean: Ultralytics documentation, "Export", and the exporter's ``metadata``.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

import msgspec

from parallax.contract import errors, tasks
from parallax.models import description, files

_MAX_LITERAL = 1 << 18
"""Longest literal that is parsed; a thousand names take some 20 kB."""

_CLASSIFIER = "yolov8"
"""The classifiers of all its generations are alike."""
_RTDETR_HEAD = "RTDETRDecoder"


def read(metadata: Mapping[str, str], path: Path) -> description.Description:
    """Describe a model by the metadata of its ONNX file; empty when there is none.

    Args:
        metadata: ``metadata_props`` of the file.
        path: the file, for messages.

    Raises:
        ModelRefusedError: an entry is there but makes no sense, or tells what is not served.
    """
    channels = metadata.get("channels", "3")
    if channels != "3":
        raise files.refused(path, f"a network of {channels[:20]} channels is not served, only 3")
    task = description.task(metadata["task"], path) if "task" in metadata else None
    final = _is_final(metadata, path)
    fields = {
        "task": task,
        "family": description.FINAL if final and task in tasks.BOXED else None,
        "architecture": _architecture(task, metadata.get("head", "")),
        # Two classes leave open in the shapes whether queries are ranked; those of 8.4 are.
        "decoded": True if metadata.get("head") == _RTDETR_HEAD else None,
        "labels": _names(metadata, path),
        "activation": "none" if task == tasks.CLASSIFICATION else None,
        "suppress": False if final else None,
        "keypoint_shape": _literal(metadata, "kpt_shape", path),
        "keypoints": _keypoints(metadata, path),
        "input": _input(task, _size(metadata, path)),
    }
    try:
        described = msgspec.convert(fields, description.Description)
        # A literal can spell a lone surrogate, which could never be written into an answer.
        msgspec.json.encode(described)
    except (msgspec.ValidationError, UnicodeEncodeError) as problem:
        raise files.refused(path, f"its metadata makes no sense: {problem}") from problem
    return described


def _architecture(task: str | None, head: str) -> str | None:
    """Return what hints at the family, where the shapes alone would say too little."""
    if task == tasks.CLASSIFICATION:
        return _CLASSIFIER
    return "rtdetr" if head == _RTDETR_HEAD else None


def _literal(metadata: Mapping[str, str], key: str, path: Path) -> object:
    """Return the Python literal under a key, if any. ``ast.literal_eval`` runs nothing."""
    text = metadata.get(key)
    if text is None:
        return None
    if len(text) > _MAX_LITERAL:
        raise files.refused(path, f"metadata {key!r} is longer than {_MAX_LITERAL} characters")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as problem:
        raise files.refused(path, f"metadata {key!r} is not a literal: {problem}") from problem


def _input(task: str | None, size: tuple[int, int] | None) -> dict[str, object]:
    """Return the fields of the input, where the task alone does not tell the family's usual."""
    height, width = size or (None, None)
    found: dict[str, object] = {"width": width, "height": height}
    if task == tasks.CLASSIFICATION:
        # ``classify_transforms``: the shorter side is scaled and the middle cut out; but a network
        # that is not square sees all of the picture.
        return {**found, **_PLAIN, "resize": "fill" if height == width else "stretch"}
    if task == tasks.SEMANTIC_SEGMENTATION:
        return {**found, **_PLAIN, "resize": "letterbox", "padding": 114}
    return found


_PLAIN: dict[str, object] = {"scale": 255.0, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
"""All its networks take 0 to 1."""


def _names(metadata: Mapping[str, str], path: Path) -> tuple[str, ...] | None:
    names = _in_order(_literal(metadata, "names", path))
    if names is None:
        return None
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        raise files.refused(
            path, "metadata 'names' is not a table of class names, numbered 0, 1, 2, ..."
        )
    return tuple(names) or None


def _in_order(numbered: object) -> object:
    """Return the values of a table with the keys 0, 1, 2, ... as a list; all else as it is."""
    if isinstance(numbered, dict) and set(numbered) == set(range(len(numbered))):
        return [numbered[index] for index in range(len(numbered))]
    return numbered


def _keypoints(metadata: Mapping[str, str], path: Path) -> list[dict[str, object]] | None:
    """Return the keypoints' names by class; the metadata has no edges."""
    by_class = _in_order(_literal(metadata, "kpt_names", path))
    if by_class is None:
        return None
    if not isinstance(by_class, list | tuple):
        raise files.refused(path, "metadata 'kpt_names' is not a table by class, 0, 1, 2, ...")
    return [{"names": _in_order(names)} for names in by_class]


def _is_final(metadata: Mapping[str, str], path: Path) -> bool:
    """Tell whether the rows need no suppression: an end-to-end head, or one with NMS behind it."""
    try:
        arguments = _literal(metadata, "args", path)
    except errors.ModelRefusedError:
        arguments = None  # Some versions note paths there, which are no literals.
    suppressed = isinstance(arguments, dict) and arguments.get("nms") is True
    return suppressed or metadata.get("end2end") == "True"


def _size(metadata: Mapping[str, str], path: Path) -> tuple[int, int] | None:
    """Return (height, width) in pixels."""
    match _literal(metadata, "imgsz", path):
        case None:
            return None
        case int(side) if 8 <= side <= 16384:
            return side, side
        case [int(height), int(width)] if min(height, width) >= 8 and max(height, width) <= 16384:
            return height, width
    raise files.refused(path, f"metadata 'imgsz' is no size: {metadata['imgsz'][:40]}")
