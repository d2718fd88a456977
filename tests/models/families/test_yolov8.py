"""Transposed rows without objectness: detection, segmentation, pose."""

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, yolov8
from tests.support import run_heads

SIZE = (640, 640)
DETECT, SEGMENT, POSE = yolov8.YoloV8(), yolov8.YoloV8Segment(), yolov8.YoloV8Pose()


@pytest.mark.parametrize(
    ("shape", "known", "classes"),
    [
        ((1, 84, 8400), 0, 80),
        ((None, 12, 8400), 8, 8),
        ((None, 5, 8400), 0, 1),
        # A head with a further stride: 640 / 4 squared more cells.
        ((1, 84, 34000), 0, 80),
        ((1, 84, 8400), 79, None),
        ((1, 4, 8400), 0, None),
        ((1, 8400, 84), 0, None),
        ((1, 300, 6), 0, None),
        ((1, None, 8400), 0, None),
        ((1, 84, None), 0, None),
        ((1, 84), 0, None),
    ],
)
def test_detection(shape: base.Shape, known: int, classes: int | None) -> None:
    layout = DETECT.recognise([shape], SIZE, spec.Layout(classes=known))
    assert (layout.classes if layout else None) == classes
    assert layout is None or layout.anchors == shape[2]


def test_more_classes_than_cells_in_a_small_network() -> None:
    layout = DETECT.recognise([(1, 84, 21)], (32, 32), spec.Layout())
    assert layout is not None
    assert (layout.classes, layout.anchors) == (80, 21)
    assert DETECT.recognise([(1, 84, 22)], (32, 32), spec.Layout()) is None


def test_a_second_output_is_no_detection() -> None:
    outputs: list[base.Shape] = [(1, 44, 8400), (1, 32, 160, 160)]
    assert DETECT.recognise(outputs, SIZE, spec.Layout()) is None
    assert DETECT.recognise([], SIZE, spec.Layout()) is None


def test_segmentation() -> None:
    outputs: list[base.Shape] = [(1, 44, 8400), (1, 32, 160, 128)]
    assert SEGMENT.recognise(outputs, SIZE, spec.Layout()) == spec.Layout(
        classes=8, anchors=8400, coefficients=32, map_size=(160, 128), order=(0, 1)
    )
    assert SEGMENT.recognise(outputs, SIZE, spec.Layout(classes=9)) is None


@pytest.mark.parametrize(
    "outputs",
    [
        [(1, 44, 8400)],
        [(1, 36, 8400), (1, 32, 160, 160)],
        [(1, 32, 160, 160), (1, 44, 8400)],
        [(1, 44, 8400), (1, 32, None, None)],
    ],
)
def test_no_segmentation(outputs: list[base.Shape]) -> None:
    assert SEGMENT.recognise(outputs, SIZE, spec.Layout()) is None


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (spec.Layout(classes=8), (8, 5)),
        (spec.Layout(keypoints=5), (8, 5)),
        (spec.Layout(classes=8, keypoints=5), (8, 5)),
        (spec.Layout(classes=3, keypoints=10, keypoint_values=2), (3, 10)),
        (spec.Layout(classes=9), None),
        (spec.Layout(classes=7, keypoints=5), None),
        (spec.Layout(keypoints=8), None),
        (spec.Layout(), None),
        (spec.Layout(classes=23), None),
    ],
)
def test_pose(known: spec.Layout, expected: tuple[int, int] | None) -> None:
    layout = POSE.recognise([(None, 27, 8400)], SIZE, known)
    assert (layout and (layout.classes, layout.keypoints)) == expected


def columns(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((2, count, 84), dtype=np.float32)


def test_each_row_has_its_best_class() -> None:
    output = columns(4 + 3)
    found = run_heads.decode(DETECT, [output])
    for row in range(84):
        box, scores = output[0, :4, row].tolist(), output[0, 4:, row].tolist()
        best = scores.index(max(scores))
        assert run_heads.table(found)[row].tolist() == [*box, scores[best], best]


def test_mask_coefficients_and_prototypes() -> None:
    output, maps = columns(4 + 3 + 8), np.random.default_rng(1).random((2, 8, 16, 16))
    found = run_heads.decode(SEGMENT, [output, maps])
    assert isinstance(found, base.Rows)
    assert found.maps is not None
    np.testing.assert_array_equal(found.maps, maps.astype(np.float32))
    for row in range(84):
        assert run_heads.table(found)[row, 6:].tolist() == output[0, 7:, row].tolist()
        assert run_heads.table(found)[row, 4] == output[0, 4:7, row].max()


def test_keypoints_with_and_without_scores() -> None:
    output = columns(4 + 1 + 6)
    three = run_heads.decode(POSE, [output], known=spec.Layout(keypoints=2))
    two = run_heads.decode(POSE, [output], known=spec.Layout(keypoints=3, keypoint_values=2))
    for row in range(84):
        values = output[0, 5:, row].tolist()
        assert run_heads.table(three)[row, 6:].tolist() == values
        pairs = [values[0:2], values[2:4], values[4:6]]
        assert run_heads.table(two)[row, 6:].tolist() == [v for pair in pairs for v in (*pair, 1)]
