"""Anchor boxes with objectness, with or without prototypes and raw features beside them."""

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, yolov5
from tests.support import run_heads

SIZE = (640, 640)
DETECT, SEGMENT = yolov5.YoloV5(), yolov5.YoloV5Segment()
FEATURES: list[base.Shape] = [(1, 3, side, side, 117) for side in (80, 40, 20)]
PROTOTYPES: base.Shape = (1, 32, 160, 160)


@pytest.mark.parametrize(
    ("outputs", "known", "classes"),
    [
        ([(1, 25200, 85)], 0, 80),
        ([(None, 25200, 6)], 1, 1),
        ([(1, 25500, 85)], 80, 80),
        ([(1, 25200, 85), *FEATURES], 0, 80),
        ([(1, 25200, 85)], 79, None),
        ([(1, 25200, 5)], 0, None),
        ([(1, 8400, 85)], 0, None),
        ([(1, 85, 25200)], 0, None),
        ([(1, 25200, 117), PROTOTYPES], 0, None),
        ([(1, 25200, None)], 0, None),
        ([(25200, 85)], 0, None),
        ([], 0, None),
    ],
)
def test_detection(outputs: list[base.Shape], known: int, classes: int | None) -> None:
    layout = DETECT.recognise(outputs, SIZE, spec.Layout(classes=known))
    assert (layout.classes if layout else None) == classes


@pytest.mark.parametrize("between", [[], FEATURES])
def test_segmentation_finds_its_prototypes(between: list[base.Shape]) -> None:
    outputs = [(1, 25200, 117), *between, PROTOTYPES]
    assert SEGMENT.recognise(outputs, SIZE, spec.Layout()) == spec.Layout(
        classes=80,
        anchors=25200,
        coefficients=32,
        map_size=(160, 160),
        order=(0, len(outputs) - 1),
    )


@pytest.mark.parametrize(
    ("outputs", "known"),
    [
        ([(1, 25200, 117)], 0),
        ([(1, 25200, 117), *FEATURES], 0),
        ([(1, 25200, 37), PROTOTYPES], 0),
        ([(1, 25200, 117), PROTOTYPES], 79),
        ([(1, 300, 117), PROTOTYPES], 0),
    ],
)
def test_no_segmentation(outputs: list[base.Shape], known: int) -> None:
    assert SEGMENT.recognise(outputs, SIZE, spec.Layout(classes=known)) is None


def test_the_score_is_objectness_times_the_best_class() -> None:
    output = np.random.default_rng(0).random((1, 252, 8), np.float32)
    found = run_heads.table(run_heads.decode(DETECT, [output]))
    for row, values in enumerate(output[0].tolist()):
        best = values[5:].index(max(values[5:]))
        expected = [*values[:4], values[4] * values[5 + best], best]
        assert found[row].tolist() == pytest.approx(expected, rel=1e-6)


def test_mask_coefficients_and_prototypes() -> None:
    random = np.random.default_rng(0)
    output, maps = random.random((2, 252, 16), np.float32), random.random((2, 8, 16, 16))
    feature = np.zeros((2, 3, 8, 8, 16), np.float32)
    found = run_heads.decode(SEGMENT, [output, feature, maps])
    assert isinstance(found, base.Rows)
    assert found.maps is not None
    assert (found.maps == maps.astype(np.float32)).all()
    assert (run_heads.table(found)[:, 6:] == output[0, :, 8:]).all()
