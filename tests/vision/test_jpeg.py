"""Pixels that come past Pillow are Pillow's, and what is not whole is left to it."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from parallax.contract import errors
from parallax.vision import decode, exif, jpeg
from tests.support.pictures import LIMIT, Pixels, encoded, gradient, noise


def drafted(data: bytes, scale: int) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (image.width // scale, image.height // scale))
    return image


def by_pillow(data: bytes, scale: int) -> Pixels:
    return np.asarray(drafted(data, scale).convert("RGB"))


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("progressive", [False, True])
def test_values_are_those_of_pillow(scale: int, subsampling: str, progressive: bool) -> None:
    image = noise(531, 517).resize((1061, 1033))
    data = encoded(image, "JPEG", subsampling=subsampling, progressive=progressive)
    pixels = jpeg.pixels(data, drafted(data, scale))
    assert pixels is not None
    assert (pixels == by_pillow(data, scale)).all()
    padded = jpeg.image(data, drafted(data, scale))
    assert padded is not None
    assert (np.asarray(padded)[..., :3] == pixels).all()


def test_grey_is_repeated() -> None:
    data = encoded(gradient(90, 70).convert("L"), "JPEG")
    pixels = jpeg.pixels(data, drafted(data, 1))
    assert pixels is not None
    assert (pixels == by_pillow(data, 1)).all()


def test_pixels_land_in_the_given_array() -> None:
    data = encoded(gradient(90, 70), "JPEG")
    out = np.zeros((70, 90, 3), np.uint8)
    pixels = jpeg.pixels(memoryview(data), drafted(data, 1), out)
    assert pixels is not None
    assert np.shares_memory(pixels, out)
    assert (out == by_pillow(data, 1)).all()


@pytest.mark.parametrize(
    "data",
    [
        encoded(gradient(90, 70).convert("CMYK"), "JPEG"),
        encoded(gradient(90, 70), "JPEG")[:-2],
        encoded(noise(90, 70), "JPEG")[:3000],
        encoded(gradient(30, 20), "JPEG"),
    ],
    ids=["four components", "no end", "half of it", "tiny"],
)
def test_what_is_odd_is_left_to_pillow(data: bytes) -> None:
    assert jpeg.pixels(data, Image.open(io.BytesIO(data))) is None


def test_a_truncated_picture_is_still_refused() -> None:
    picture = decode.open_picture(encoded(noise(90, 70), "JPEG")[:3000], LIMIT)
    with pytest.raises(errors.BadImageError, match="truncated"):
        decode.read(picture, 90, 70, out=np.zeros((70, 90, 3), np.uint8))


@settings(max_examples=60)
@given(
    orientation=st.sampled_from([1, *exif.TURNS]),
    size=st.tuples(st.integers(20, 200), st.integers(20, 200)),
    edge=st.integers(0, 3),
)
def test_reading_into_a_part_of_an_array_is_reading(
    orientation: int, size: tuple[int, int], edge: int
) -> None:
    tags = Image.Exif()
    tags[exif.ORIENTATION_TAG] = orientation
    data = encoded(gradient(160, 120), "JPEG", exif=tags)
    sheet = np.zeros((size[1] + 2 * edge, size[0] + 2 * edge, 3), np.uint8)
    part = sheet[edge : edge + size[1], edge : edge + size[0]]
    read = decode.read(decode.open_picture(data, LIMIT), *size, out=part)
    assert read is part or np.shares_memory(read, part)
    assert (part == decode.read(decode.open_picture(data, LIMIT), *size)).all()
    sheet[edge : edge + size[1], edge : edge + size[0]] = 0
    assert not sheet.any()
