"""The public names of pretrained models and the ids behind them.

The SDK resolves these names before it asks, so a model may be asked for by either.
"""

from collections.abc import Iterator

_SIZES = ("n", "s", "m", "l", "x")

_ROWS: tuple[tuple[str, tuple[str, ...], str, tuple[int | str, ...]], ...] = (
    ("yolov8{}-640", _SIZES, "coco", (3, 6, 8, 7, 5)),
    ("yolov8{}-1280", _SIZES, "coco", (9, 10, 11, 12, 13)),
    ("yolov8{}-seg-640", _SIZES, "coco-dataset-vdnr1", (2, 4, 5, 6, 3)),
    ("yolov8{}-seg-1280", _SIZES, "coco-dataset-vdnr1", (7, 8, 9, 10, 11)),
    ("yolov8{}-pose-640", _SIZES, "coco-pose-detection", (1, 2, 3, 4, 5)),
    ("yolov8{}-pose-1280", ("x",), "coco-pose-detection", (6,)),
    ("yolov10{}-640", ("n", "s", "m", "b", "l", "x"), "coco", (19, 20, 21, 22, 23, 24)),
    ("yolov11{}-640", _SIZES, "coco", (25, 26, 27, 28, 29)),
    ("yolov11{}-1280", _SIZES, "coco", (30, 31, 32, 33, 34)),
    ("yolov11{}-seg-640", _SIZES, "coco-dataset-vdnr1", (19, 20, 21, 22, 23)),
    ("yolov26{}-640", _SIZES, "coco", (41, 42, 43, 44, 45)),
    ("yolov26{}-seg-640", _SIZES, "coco-dataset-vdnr1", (27, 28, 29, 31, 34)),
    ("yolov26{}-pose-640", _SIZES, "coco-pose-detection", (12, 13, 14, 15, 16)),
    (
        "yolov26{}-sem-1024",
        _SIZES,
        "yolo26-pretrains",
        tuple(f"yolo26{size}-sem" for size in _SIZES),
    ),
    (
        "yolov26{}-depth-768",
        _SIZES,
        "yolo26-pretrains",
        tuple(f"yolo26{size}-depth" for size in _SIZES),
    ),
    ("yolo-nas-{}-640", ("s", "m", "l"), "coco", (14, 15, 16)),
    (
        "rfdetr-{}",
        ("base", "nano", "small", "medium", "large", "xlarge", "2xlarge"),
        "coco",
        (36, 38, 39, 40, 50, 47, 48),
    ),
    (
        "rfdetr-seg-{}",
        ("preview", "nano", "small", "medium", "large", "xlarge", "2xlarge"),
        "coco-dataset-vdnr1",
        (26, 41, 36, 37, 38, 39, 40),
    ),
    (
        "rfdetr-keypoint-{}",
        ("preview",),
        "microsoft",
        ("coco-pose-detection-17-rfdetr-keypoint-preview-t1",),
    ),
    ("resnet{}", ("18", "34", "50", "101"), "classifiers", (1, 2, 3, 4)),
)


def _pairs() -> Iterator[tuple[str, str]]:
    for pattern, sizes, project, versions in _ROWS:
        for size, version in zip(sizes, versions, strict=True):
            alias, target = pattern.format(size), f"{project}/{version}"
            yield alias, target
            if alias.startswith(("yolov11", "yolov26")):
                yield alias.replace("yolov", "yolo", 1), target


CANONICAL: dict[str, str] = dict(_pairs())
"""Alias to id."""

ALIASES: dict[str, tuple[str, ...]] = {
    target: tuple(sorted(alias for alias, of in CANONICAL.items() if of == target))
    for target in set(CANONICAL.values())
}
"""Id to its aliases."""


def canonical(name: str) -> str:
    """Return the id behind a name; a name that is no alias stands for itself."""
    return CANONICAL.get(name, name)
