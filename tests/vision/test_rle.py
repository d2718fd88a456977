"""Run lengths are those that pycocotools writes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parallax.vision import masks, rle
from tests.support import coco


def spread(mask: masks.Mask, width: int, height: int) -> NDArray[np.uint8]:
    """Return the mask as the picture's pixels show it, cell by cell."""
    at, (rows, columns) = mask.window, mask.pixels.shape
    picture = np.zeros((height, width), np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, bottom = (at.top + edge * at.height // rows for edge in (row, row + 1))
            left, right = (at.left + edge * at.width // columns for edge in (column, column + 1))
            picture[top:bottom, left:right] = mask.pixels[row, column]
    return picture


@st.composite
def scenes(draw: st.DrawFn) -> tuple[masks.Mask, int, int]:
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    wide, high = draw(st.integers(1, width - left)), draw(st.integers(1, height - top))
    shape = draw(st.integers(1, high)), draw(st.integers(1, wide))
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    window = masks.Window(left, top, wide, high)
    return masks.Mask(window, random.random(shape) < share), width, height


@given(scenes())
def test_any_mask_is_written_as_pycocotools_writes_it(scene: tuple[masks.Mask, int, int]) -> None:
    mask, width, height = scene
    assert rle.counts(mask, width, height) == coco.encode(spread(mask, width, height))


def test_long_runs_are_written_as_pycocotools_writes_them() -> None:
    pixels = np.zeros((2000, 900), np.bool_)
    pixels[100:1900, 50:800] = True
    mask = masks.Mask(masks.Window(100, 1000, 900, 2000), pixels)
    assert rle.counts(mask, 1200, 3500) == coco.encode(spread_fast(pixels))


def spread_fast(pixels: NDArray[np.bool_]) -> NDArray[np.uint8]:
    picture = np.zeros((3500, 1200), np.uint8)
    picture[1000:3000, 100:1000] = pixels
    return picture


def test_noise_is_thinned_until_it_has_few_enough_runs() -> None:
    noise = np.random.default_rng(0).random((256, 256)) < 0.5
    mask = masks.Mask(masks.Window(0, 0, 256, 256), noise)
    counts = rle.counts(mask, 256, 256, most=2000)
    assert len(counts) < 2 * 2 * 2000
    assert coco.decode({"size": [256, 256], "counts": counts}).shape == (256, 256)


def test_a_filled_shape_is_never_thinned() -> None:
    assert rle.limit(100_000, 1920) >= 1920


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_a_window_without_pixels_is_all_background(width: int, height: int) -> None:
    mask = masks.Mask(masks.Window(3, 3, width, height), np.zeros((1, 1), np.bool_))
    counts = rle.counts(mask, 10, 10)
    assert coco.decode({"size": [10, 10], "counts": counts}).sum() == 0
