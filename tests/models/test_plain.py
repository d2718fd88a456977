"""Pixels to floats, as the formula says."""

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models import plain
from tests.support import onnx_models


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_formula(swap: bool, dtype: str) -> None:
    given = spec.PlainInput(swap, 255.0, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), dtype)
    pixels = np.stack([onnx_models.picture(seed, 8, 4) for seed in (1, 2)])
    made = plain.to_network_input(pixels, given)
    channels = pixels[..., ::-1] if swap else pixels
    expected = (channels / 255.0 - np.array(given.mean)) / np.array(given.std)
    assert made.dtype == dtype
    assert made.shape == (2, 3, 4, 8)
    assert made.flags.c_contiguous
    np.testing.assert_allclose(made.transpose(0, 2, 3, 1), expected, atol=4e-3, rtol=2e-3)


def test_pixels_as_they_are() -> None:
    pixels = onnx_models.picture(1, 8, 4)[None]
    made = plain.to_network_input(pixels, spec.PlainInput(scale=1.0))
    assert (made[0].transpose(1, 2, 0) == pixels[0]).all()
