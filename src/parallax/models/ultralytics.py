"""The metadata that Ultralytics writes into the ONNX files it exports."""

import ast
from collections.abc import Mapping
from pathlib import Path

from parallax.models import description, files

_MAX_LITERAL = 1 << 18
"""Longest literal that is parsed; a thousand names take some 20 kB."""


def read(metadata: Mapping[str, str], path: Path) -> description.Description:
    """Describe a model by the metadata of its ONNX file; empty when there is none.

    Args:
        metadata: ``metadata_props`` of the file.
        path: the file, for messages.

    Raises:
        ModelRefusedError: an entry is there but makes no sense.
    """
    size = _size(metadata, path)
    return description.Description(
        task=description.task_name(metadata["task"]) if "task" in metadata else None,
        labels=_names(metadata, path),
        input=description.InputDescription(
            height=size[0] if size else None, width=size[1] if size else None
        ),
    )


def _literal(metadata: Mapping[str, str], key: str, path: Path) -> object:
    """Return the Python literal under a key. Only literals: ``ast.literal_eval`` runs nothing."""
    text = metadata[key]
    if len(text) > _MAX_LITERAL:
        raise files.refused(path, f"metadata {key!r} is longer than {_MAX_LITERAL} characters")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as problem:
        raise files.refused(path, f"metadata {key!r} is not a literal: {problem}") from problem


def _names(metadata: Mapping[str, str], path: Path) -> tuple[str, ...] | None:
    if "names" not in metadata:
        return None
    names = _literal(metadata, "names", path)
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise files.refused(path, "metadata 'names' does not number its classes 0, 1, 2, ...")
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        raise files.refused(path, "metadata 'names' is not a table of class names")
    return tuple(names) or None


def _size(metadata: Mapping[str, str], path: Path) -> tuple[int, int] | None:
    """Return (height, width) in pixels."""
    if "imgsz" not in metadata:
        return None
    match _literal(metadata, "imgsz", path):
        case int(side) if 8 <= side <= 16384:
            return side, side
        case [int(height), int(width)] if min(height, width) >= 8 and max(height, width) <= 16384:
            return height, width
    raise files.refused(path, f"metadata 'imgsz' is no size: {metadata['imgsz'][:40]}")
