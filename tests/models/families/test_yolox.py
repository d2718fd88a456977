"""Boxes relative to their cells, and boxes that the export decoded."""

import math

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, yolox
from tests.support import run_heads

SIZE = (640, 640)
RAW, DECODED = yolox.YoloX(), yolox.YoloXDecoded()


@pytest.mark.parametrize(
    ("outputs", "known", "classes"),
    [
        ([(1, 8400, 85)], 0, 80),
        ([(None, 8400, 6)], 1, 1),
        ([(1, 8400, 85)], 79, None),
        ([(1, 8400, 5)], 0, None),
        ([(1, 8401, 85)], 0, None),
        ([(1, 85, 8400)], 0, None),
        ([(1, 25200, 85)], 0, None),
        ([(1, 8400, None)], 0, None),
        ([(1, 8400, 85), (1, 32, 160, 160)], 0, None),
        ([], 0, None),
    ],
)
@pytest.mark.parametrize("family", [RAW, DECODED])
def test_recognised(
    family: base.Family, outputs: list[base.Shape], known: int, classes: int | None
) -> None:
    layout = family.recognise(outputs, SIZE, spec.Layout(classes=known))
    assert (layout.classes if layout else None) == classes


def test_raw_boxes_count_from_their_cell() -> None:
    output = np.random.default_rng(0).normal(0, 1, (1, 42, 7)).astype(np.float32)
    found = run_heads.table(run_heads.decode(RAW, [output], (64, 32)))
    cells = [
        (x, y, stride)
        for stride in (8, 16, 32)
        for y in range(32 // stride)
        for x in range(64 // stride)
    ]
    for row, (x, y, stride) in enumerate(cells):
        dx, dy, width, height, objectness, *classes = output[0, row].tolist()
        best = classes.index(max(classes))
        box = [(x + dx) * stride, (y + dy) * stride]
        size = [math.exp(width) * stride, math.exp(height) * stride]
        expected = [*box, *size, objectness * classes[best], best]
        assert found[row].tolist() == pytest.approx(expected, rel=1e-5)


def test_decoded_boxes_stay_as_they_are() -> None:
    output = np.random.default_rng(0).random((1, 84, 7), np.float32)
    found = run_heads.table(run_heads.decode(DECODED, [output]))
    assert (found[:, :4] == output[0, :, :4]).all()


def test_a_size_beyond_floats_is_infinite_without_a_warning() -> None:
    output = np.full((1, 84, 7), 1000.0, np.float32)
    assert np.isinf(run_heads.table(run_heads.decode(RAW, [output]))[:, 2]).all()
