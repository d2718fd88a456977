"""Rows that are final: corners, score and class, with coefficients or keypoints behind."""

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, yolo26
from tests.support import run_heads

SIZE = (640, 640)
DETECT, SEGMENT, POSE = yolo26.Yolo26(), yolo26.Yolo26Segment(), yolo26.Yolo26Pose()
PROTOTYPES: base.Shape = (1, 32, 160, 160)


@pytest.mark.parametrize(
    ("outputs", "anchors"),
    [
        ([(1, 300, 6)], 300),
        ([(None, 1, 6)], 1),
        ([(1, 2001, 6)], None),
        ([(1, 0, 6)], None),
        ([(1, None, 6)], None),
        ([(1, 300, 5)], None),
        ([(1, 6, 300)], None),
        ([(1, 300, 6), PROTOTYPES], None),
        ([(300, 6)], None),
        ([], None),
    ],
)
def test_detection(outputs: list[base.Shape], anchors: int | None) -> None:
    layout = DETECT.recognise(outputs, SIZE, spec.Layout(classes=8))
    assert (layout.anchors if layout else None) == anchors
    assert layout is None or layout.classes == 8


def test_a_row_for_every_cell_is_not_final() -> None:
    assert DETECT.recognise([(1, 336, 6)], (128, 128), spec.Layout()) is None
    assert DETECT.recognise([(1, 337, 6)], (128, 128), spec.Layout()) is not None


def test_a_column_for_every_cell_is_not_final() -> None:
    assert POSE.recognise([(1, 84, 336)], (128, 128), spec.Layout()) is None
    assert POSE.recognise([(1, 84, 8400)], (640, 640), spec.Layout()) is None


def test_segmentation() -> None:
    layout = SEGMENT.recognise([(1, 300, 38), PROTOTYPES], SIZE, spec.Layout(classes=8))
    assert layout == spec.Layout(
        classes=8, anchors=300, coefficients=32, map_size=(160, 160), order=(0, 1)
    )
    assert SEGMENT.recognise([(1, 300, 39), PROTOTYPES], SIZE, spec.Layout()) is None
    assert SEGMENT.recognise([(1, 300, 38)], SIZE, spec.Layout()) is None


@pytest.mark.parametrize(
    ("columns", "known", "keypoints"),
    [
        (21, spec.Layout(), 5),
        (21, spec.Layout(keypoints=5), 5),
        (16, spec.Layout(keypoint_values=2), 5),
        (21, spec.Layout(keypoints=4), None),
        (22, spec.Layout(), None),
        (6, spec.Layout(), None),
    ],
)
def test_pose(columns: int, known: spec.Layout, keypoints: int | None) -> None:
    layout = POSE.recognise([(None, 300, columns)], SIZE, known)
    assert (layout.keypoints if layout else None) == keypoints


def rows(columns: int) -> np.ndarray:
    return np.random.default_rng(0).random((2, 30, columns), dtype=np.float32) * 64


def test_corners_become_centres_and_the_rest_stays() -> None:
    output = rows(6)
    found = run_heads.table(run_heads.decode(DETECT, [output]))
    for row, (x1, y1, x2, y2, score, label) in enumerate(output[0].tolist()):
        expected = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, score, label]
        assert found[row].tolist() == pytest.approx(expected, rel=1e-5)


def test_mask_coefficients_and_prototypes() -> None:
    output, maps = rows(6 + 8), np.random.default_rng(1).random((2, 8, 16, 16), np.float32)
    found = run_heads.decode(SEGMENT, [output, maps])
    assert isinstance(found, base.Rows)
    assert found.maps is not None
    assert np.array_equal(found.maps, maps)
    assert (run_heads.table(found)[:, 6:] == output[0, :, 6:]).all()


def test_keypoints() -> None:
    output = rows(6 + 6)
    three = run_heads.table(run_heads.decode(POSE, [output]))
    assert (three[:, 6:] == output[0, :, 6:]).all()
    two = run_heads.table(run_heads.decode(POSE, [output], known=spec.Layout(keypoint_values=2)))
    assert two.shape == (30, 6 + 9)
    assert (two[:, [6, 7, 9, 10, 12, 13]] == output[0, :, 6:]).all()
    assert (two[:, [8, 11, 14]] == 1).all()
