"""Corners and probabilities as two outputs, in either order."""

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, yolo_nas
from tests.support import run_heads

SIZE = (640, 640)
FAMILY = yolo_nas.YoloNas()


@pytest.mark.parametrize(
    ("outputs", "known", "expected"),
    [
        ([(1, 8400, 4), (1, 8400, 80)], 0, (80, (0, 1))),
        ([(None, 8400, 80), (None, 8400, 4)], 80, (80, (1, 0))),
        ([(1, 8400, 4), (1, 8400, 4)], 0, (4, (0, 1))),
        ([(1, 8400, 4), (1, 8400, 80)], 79, None),
        ([(1, 300, 4), (1, 300, 80)], 0, None),
        ([(1, 4, 8400), (1, 80, 8400)], 0, None),
        ([(1, 8400, 4), (1, 8400, 80), (1, 8400)], 0, None),
        ([(1, 8400, 84)], 0, None),
    ],
)
def test_recognised(
    outputs: list[base.Shape], known: int, expected: tuple[int, tuple[int, int]] | None
) -> None:
    layout = FAMILY.recognise(outputs, SIZE, spec.Layout(classes=known))
    assert (layout and (layout.classes, layout.order)) == expected


@pytest.mark.parametrize("swapped", [False, True])
def test_corners_and_best_classes(swapped: bool) -> None:
    random = np.random.default_rng(0)
    corners, scores = random.random((2, 84, 4), np.float32), random.random((2, 84, 3), np.float32)
    outputs = [scores, corners] if swapped else [corners, scores]
    found = run_heads.table(run_heads.decode(FAMILY, outputs))
    for row in range(84):
        x1, y1, x2, y2 = corners[0, row].tolist()
        classes = scores[0, row].tolist()
        best = classes.index(max(classes))
        expected = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, classes[best], best]
        assert found[row].tolist() == pytest.approx(expected, abs=1e-6)
