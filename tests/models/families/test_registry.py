"""A head is recognised by its shape, and other tools' names lead to our families."""

import pytest

from parallax.models.families import base, grids, registry

SIZE = (640, 640)


def test_cells_are_counted_over_all_strides() -> None:
    assert grids.anchor_count(SIZE) == 8400
    assert grids.anchor_count((416, 416)) == 3549


def test_cells_go_row_by_row_from_the_finest_stride() -> None:
    grid, strides = grids.cells((64, 32))
    assert grid[:9].tolist() == [[x, 0] for x in range(8)] + [[0, 1]]
    assert strides[:, 0].tolist() == [8] * 32 + [16] * 8 + [32] * 2


@pytest.mark.parametrize(
    ("shape", "family", "classes"),
    [
        ((1, 84, 8400), "yolov8", 80),
        ((None, 5, 8400), "yolov8", 1),
        # A head with a further stride: 640 / 4 squared more cells.
        ((1, 84, 34000), "yolov8", 80),
        ((1, 8400, 85), "yolox", 80),
        ((None, 8400, 6), "yolox", 1),
    ],
)
def test_shapes_that_are_known(shape: base.Shape, family: str, classes: int) -> None:
    (found,) = registry.recognise([shape], SIZE)
    layout = found.recognise([shape], SIZE)
    assert layout is not None
    assert (found.name, layout.classes) == (family, classes)


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [()],
        [(1, 1000)],
        [(1, 300, 6)],
        [(1, 25200, 85)],
        [(1, None, 8400)],
        [(1, 8400, None)],
        [(1, 4, 8400)],
        [(1, 116, 8400), (1, 32, 160, 160)],
    ],
)
def test_shapes_that_are_not(shapes: list[base.Shape]) -> None:
    assert registry.recognise(shapes, SIZE) == []


@pytest.mark.parametrize(
    ("architecture", "family"),
    [
        ("yolov8n", "yolov8"),
        ("YOLO11x", "yolov8"),
        ("yolov12s", "yolov8"),
        ("yolox-nano", "yolox"),
        ("yolov10n", None),
        ("yolo26n", None),
        ("rfdetr-base", None),
    ],
)
def test_architecture_names(architecture: str, family: str | None) -> None:
    found = registry.by_architecture(architecture)
    assert (found.name if found else None) == family
