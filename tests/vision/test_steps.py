"""Grey pictures and contrast come out as the tools that models are prepared with make them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.vision import steps
from tests.support import pictures

PIXELS = np.asarray(pictures.gradient(96, 64)) // 2 + 40


def test_grey_has_the_weights_of_the_standard() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]], np.uint8)
    assert steps.grayscale(pixels).tolist() == [[[76] * 3, [150] * 3, [29] * 3, [18] * 3]]


@pytest.mark.parametrize("kind", steps.CONTRASTS)
def test_contrast_widens_the_range(kind: str) -> None:
    before, after = np.ptp(PIXELS), np.ptp(steps.contrast(PIXELS, kind))
    assert after > before


@pytest.mark.parametrize(
    ("kind", "grey"), [(kind, kind != "stretching") for kind in steps.CONTRASTS]
)
def test_only_stretching_keeps_colours(kind: str, grey: bool) -> None:
    result = steps.contrast(PIXELS, kind)
    assert result.shape == PIXELS.shape
    assert (result[..., :1] == result).all() == grey


@pytest.mark.parametrize("kind", steps.CONTRASTS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 50, 3), (50, 1, 3)])
def test_small_and_flat_pictures_stay_pictures(kind: str, shape: tuple[int, ...]) -> None:
    assert steps.contrast(np.full(shape, 90, np.uint8), kind).shape == shape


def test_stretching_leaves_a_flat_picture_as_it_is() -> None:
    flat = np.full((5, 5, 3), 90, np.uint8)
    assert (steps.contrast(flat, "stretching") == flat).all()


@given(seed=st.integers(0, 10_000), side=st.integers(2, 12), values=st.integers(2, 256))
def test_stretching_is_the_formula_over_all_values(seed: int, side: int, values: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, values, (side, side + 1, 3), dtype=np.uint8)
    low, high = np.percentile(pixels, (2, 98))
    if low == high:
        return
    expected = (np.clip(pixels, low, high) - low) / (high - low) * 255
    # Truncating turns the last bit of a float into a whole step.
    assert np.abs(steps.contrast(pixels, "stretching") - expected).max() < 1.0 + 1e-6


def test_equalization_makes_the_histogram_flat() -> None:
    grey = steps.contrast(PIXELS, "equalization")[..., 0]
    shares = np.histogram(grey, bins=4, range=(0, 256))[0] / grey.size
    assert shares == pytest.approx([0.25] * 4, abs=0.04)


def test_pixels_with_gaps_between_rows_are_taken() -> None:
    for kind in steps.CONTRASTS:
        part = PIXELS[5:40, 7:60]
        assert (steps.contrast(part, kind) == steps.contrast(part.copy(), kind)).all()
    assert (steps.grayscale(PIXELS[5:40, 7:60]) == steps.grayscale(PIXELS)[5:40, 7:60]).all()


def test_the_picture_itself_is_not_changed() -> None:
    pixels = PIXELS.copy()
    pixels.flags.writeable = False
    for kind in steps.CONTRASTS:
        steps.contrast(pixels, kind)
    assert (pixels == PIXELS).all()


def test_an_unknown_contrast_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown contrast 'more'"):
        steps.contrast(PIXELS, "more")


def test_adaptive_is_opencvs_with_eight_by_eight_tiles() -> None:
    grey = cv2.cvtColor(PIXELS, cv2.COLOR_RGB2GRAY)
    expected = cv2.createCLAHE(7.68, (8, 8)).apply(grey)
    assert (steps.contrast(PIXELS, "adaptive")[..., 0] == expected).all()
