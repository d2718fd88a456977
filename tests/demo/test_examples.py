"""A box that is off by a margin in training is off by it in every answer."""

from __future__ import annotations

import numpy as np
import pytest

from parallax.demo.evaluate import letterbox
from parallax.demo.examples import training_example
from parallax.demo.scenes import NAMES, generate


@pytest.mark.parametrize("seed", [10, 11])  # one of each way of resizing
def test_an_example_is_the_letterboxed_scene_with_its_boxes(seed: int) -> None:
    scene = generate(seed)
    expected, scale, left, top = letterbox(scene.image)
    square, rows = training_example(seed)
    assert square.dtype == np.uint8
    assert square.shape == (320, 320, 3)
    assert np.abs(square.astype(int) - expected).mean() < 8
    assert [NAMES[int(row[4])] for row in rows] == [box.label for box in scene.boxes]
    for row, box in zip(rows, scene.boxes, strict=True):
        back = (row[:4] - (left, top, left, top)) / scale
        np.testing.assert_allclose(back, (box.x1, box.y1, box.x2, box.y2), atol=1e-3)
