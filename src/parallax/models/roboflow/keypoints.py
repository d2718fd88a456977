"""``keypoints_metadata.json``: names and edges of the keypoints of each class."""

from pathlib import Path

from parallax.models import description, files
from parallax.models.roboflow import values

_MOST_CLASSES = 10_000


def read(path: Path) -> description.Description:
    """Describe the keypoints by class.

    Raises:
        ModelRefusedError: the file makes no sense.
    """
    by_class: dict[int, dict[str, object]] = {}
    for item in values.items(files.read_json_list(path), path):
        class_id = values.side(item.get("object_class_id", 0))
        if class_id is None or class_id >= _MOST_CLASSES:
            raise files.refused(path, "an object_class_id is no class id")
        names = values.numbered(values.table(item.get("keypoints"), path))
        if names is None:
            raise files.refused(path, "the keypoints of a class are not numbered 0, 1, 2, ...")
        by_class[class_id] = {"names": names, "edges": _edges(item.get("edges"), len(names))}
    if not by_class:
        return description.Description()
    rows = [by_class.get(class_id, {}) for class_id in range(max(by_class) + 1)]
    return values.described(path, keypoints=rows)


def _edges(given: object, count: int) -> list[tuple[int, int]]:
    """Return the edges as pairs. They are only drawn, so what joins nothing is left out."""
    found = []
    for edge in given if isinstance(given, list) else ():
        ends = [edge.get("from"), edge.get("to")] if isinstance(edge, dict) else edge
        if not isinstance(ends, list) or len(ends) != 2:
            continue
        first, second = (values.side(end) for end in ends)
        if first is not None and second is not None and max(first, second) < count:
            found.append((first, second))
    return found
