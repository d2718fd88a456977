"""Logits of each pixel become its class and how sure that is."""

import math

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, deeplab
from tests.support import run_heads

FAMILY = deeplab.DeepLab()


@pytest.mark.parametrize(
    ("outputs", "known", "classes"),
    [
        ([(1, 21, 512, 512)], 0, 21),
        ([(None, 21, 128, 128)], 21, 21),
        ([(1, 21, 512, 512), (1, 21, 64, 64)], 21, 21),
        ([(1, 1, 512, 512)], 2, 2),
        ([(1, 255, 8, 8)], 0, 255),
        ([(1, 256, 8, 8)], 0, None),
        ([(1, 21, 512, 512)], 20, None),
        ([(1, 1, 512, 512)], 1, None),
        # Prototypes before the boxes of a segmentation of instances.
        ([(1, 32, 160, 160), (1, 44, 8400)], 0, None),
        ([(1, 44, 8400), (1, 32, 160, 160)], 0, None),
        ([(1, 21, None, None)], 21, None),
        ([(21, 512, 512)], 0, None),
        ([], 0, None),
    ],
)
def test_recognised(outputs: list[base.Shape], known: int, classes: int | None) -> None:
    layout = FAMILY.recognise(outputs, (512, 512), spec.Layout(classes=known))
    assert (layout.classes if layout else None) == classes


def decoded(logits: np.ndarray, width: int, height: int) -> base.Pixels[np.ndarray]:
    head = run_heads.decode(FAMILY, [logits], (width, height))
    assert isinstance(head, base.Pixels)
    assert head.classes.shape == head.confidence.shape == (len(logits), height, width)
    assert head.classes.dtype == head.confidence.dtype == np.uint8
    return head


def test_the_best_class_of_each_pixel() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (2, 5, 6, 7)).astype(np.float32)
    head = decoded(logits, 7, 6)
    for item, y, x in np.ndindex(2, 6, 7):
        values = logits[item, :, y, x].tolist()
        share = math.exp(max(values)) / sum(math.exp(value) for value in values)
        assert head.classes[item, y, x] == values.index(max(values))
        assert abs(head.confidence[item, y, x] - int(255 * share)) <= 1


def test_small_logits_are_enlarged_before_classes_are_chosen() -> None:
    """A class that is nowhere best in the small map is best between two others."""
    logits = np.array([[[[4.0, 0.0]], [[0.0, 4.0]], [[2.6, 2.6]]]], np.float32)
    assert decoded(logits, 8, 1).classes[0, 0].tolist() == [0, 0, 0, 2, 2, 1, 1, 1]


def test_enlarging_puts_pixel_centres_at_half_numbers() -> None:
    logits = np.zeros((1, 2, 1, 2), np.float32)
    logits[0, 1, 0] = (-3.0, 3.0)
    head = decoded(logits, 4, 1)
    # At 0.25, 0.75, 1.25 and 1.75 of two pixels whose centres are at 0.5 and 1.5.
    expected = [1 / (1 + math.exp(-abs(v))) for v in (-3.0, -1.5, 1.5, 3.0)]
    assert head.classes[0, 0].tolist() == [0, 0, 1, 1]
    assert head.confidence[0, 0].tolist() == [int(255 * value) for value in expected]


def test_one_channel_is_class_1_or_not() -> None:
    logits = np.array([[[[-2.0, 0.1, 3.0]]]], np.float32)
    head = decoded(logits, 3, 1)
    sure = [1 / (1 + math.exp(-value)) for value in (2.0, 0.1, 3.0)]
    assert head.classes[0, 0].tolist() == [0, 1, 1]
    assert head.confidence[0, 0].tolist() == [int(255 * value) for value in sure]


def test_what_is_no_number_is_not_sure_at_all() -> None:
    logits = np.full((1, 3, 2, 2), np.nan, np.float32)
    assert decoded(logits, 2, 2).confidence.tolist() == [[[0, 0], [0, 0]]]
