"""Pixels at the network's size are those of the reference tools, and no byte is left over."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from parallax.contract import spec
from parallax.vision import canvas, geometry
from tests.support import pictures
from tests.support.pictures import Pixels, difference


def drawn(pixels: Pixels, target: spec.InputSpec, *, averaging: bool) -> Pixels:
    frame, _ = geometry.fit(pixels.shape[1], pixels.shape[0], target)
    out = np.full((target.height, target.width, 3), 7, np.uint8)
    canvas.resize(pixels, frame, (0, 0), canvas.inside(frame, out), averaging=averaging)
    canvas.surround(frame, target, out)
    return out


@pytest.mark.parametrize("size", [(451, 300), (300, 451), (64, 64), (20, 33)])
def test_a_letterbox_is_that_of_the_training_tools(size: tuple[int, int]) -> None:
    pixels = np.asarray(pictures.noise(*size))
    scale = min(64 / size[0], 64 / size[1])
    inner = (round(size[0] * scale), round(size[1] * scale))
    dw, dh = (64 - inner[0]) / 2, (64 - inner[1]) / 2
    shrunk = cv2.resize(pixels, inner, interpolation=cv2.INTER_LINEAR)
    edges = (round(dh - 0.1), round(dh + 0.1), round(dw - 0.1), round(dw + 0.1))
    expected = cv2.copyMakeBorder(shrunk, *edges, cv2.BORDER_CONSTANT, value=(114,) * 3)
    assert (drawn(pixels, spec.InputSpec(64, 64), averaging=False) == expected).all()


@pytest.mark.parametrize("size", [(500, 333), (333, 500), (100, 60), (64, 64), (65, 64)])
def test_filling_is_resize_and_center_crop(size: tuple[int, int]) -> None:
    image = pictures.noise(*size)
    shorter = min(size)
    whole = image.resize(
        (64 * size[0] // shorter, 64 * size[1] // shorter), Image.Resampling.BILINEAR
    )
    left, top = round((whole.width - 64) / 2), round((whole.height - 64) / 2)
    expected = np.asarray(whole.crop((left, top, left + 64, top + 64)))
    got = drawn(np.asarray(image), spec.InputSpec(64, 64, resize="fill"), averaging=True)
    assert difference(got, expected) <= 1


@pytest.mark.parametrize("averaging", [False, True])
def test_a_center_crop_moves_pixels_and_mixes_none(averaging: bool) -> None:
    pixels = np.asarray(pictures.noise(101, 31))
    target = spec.InputSpec(64, 64, resize="center-crop", padding=3)
    out = drawn(pixels, target, averaging=averaging)
    assert (out[16:47] == pixels[:, 18:82]).all()
    assert (out[:16] == 3).all()
    assert (out[47:] == 3).all()


def test_reflected_borders_mirror_the_picture() -> None:
    pixels = np.asarray(pictures.noise(64, 40))
    out = drawn(pixels, spec.InputSpec(64, 64, resize="letterbox-reflect"), averaging=False)
    assert (out[12:52] == pixels).all()
    assert (out[:12] == pixels[12:0:-1]).all()
    assert (out[52:] == pixels[-2:-14:-1]).all()


@pytest.mark.parametrize("size", [(640, 1), (1, 640), (640, 30)])
def test_a_picture_narrower_than_its_border_is_mirrored_again(size: tuple[int, int]) -> None:
    pixels = np.asarray(pictures.noise(*size))
    out = drawn(pixels, spec.InputSpec(64, 64, resize="letterbox-reflect"), averaging=True)
    frame, _ = geometry.fit(*size, spec.InputSpec(64, 64))
    rows = out[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    assert set(map(tuple, out.reshape(-1, 3))) == set(map(tuple, rows.reshape(-1, 3)))


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    resize=st.sampled_from(geometry.RESIZES),
    averaging=st.booleans(),
)
def test_every_byte_is_written(width: int, height: int, resize: str, averaging: bool) -> None:
    # The slot holds 7 before; neither the picture nor the padding does.
    pixels = np.full((height, width, 3), 200, np.uint8)
    target = spec.InputSpec(48, 32, resize=resize)
    out = drawn(pixels, target, averaging=averaging or resize == "fill")
    assert np.isin(out, (200, 114)).all()
    assert (out == 200).any()
