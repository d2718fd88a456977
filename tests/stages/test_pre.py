"""An encoded picture fills the slot exactly, borders and all."""

import cv2
import msgspec
import numpy as np
import pytest
from PIL import Image

from parallax.contract import errors, messages, spec
from parallax.contract.decoding import Decoding
from parallax.stages import pre
from parallax.vision import geometry, steps
from tests.support import pictures
from tests.support.pictures import Pixels, by_opencv, difference, encoded

ON, OFF = messages.ImageOptions(), messages.ImageOptions(False, False, False, False)


def picture(width: int, height: int, kind: str = "PNG", orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return encoded(Image.new("RGB", (width, height), (200, 100, 50)), kind, exif=tags)


def prepared(
    data: bytes,
    target: spec.InputSpec,
    options: messages.ImageOptions = ON,
    decoding: Decoding = Decoding.FAST,
) -> tuple[Pixels, messages.Geometry]:
    # What an earlier picture left in the slot must be gone.
    out = np.full((target.height, target.width, 3), 7, dtype=np.uint8)
    placed = pre.prepare(data, options, target, 10**7, out, decoding)
    return out, placed


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (50, 50), (63, 31), (1000, 333)])
@pytest.mark.parametrize("resize", geometry.RESIZES)
@pytest.mark.parametrize("decoding", Decoding)
def test_every_byte_is_picture_or_padding(
    size: tuple[int, int], resize: str, decoding: Decoding
) -> None:
    target = spec.InputSpec(64, 48, resize=resize, padding=114)
    out, _ = prepared(picture(*size), target, decoding=decoding)
    is_picture = (out == (200, 100, 50)).all(axis=2)
    assert (is_picture | (out == 114).all(axis=2)).all()
    frame, _ = geometry.fit(*size, target)
    all_of_it = resize == "letterbox-reflect"
    assert is_picture.sum() == (64 * 48 if all_of_it else frame.width * frame.height)


def test_a_turned_jpeg_reports_the_upright_original() -> None:
    out, placed = prepared(picture(2000, 1000, "JPEG", orientation=6), spec.InputSpec(100, 100))
    assert (placed.width, placed.height) == (1000, 2000)
    assert (placed.scale_x, placed.pad_x, placed.pad_y) == (0.05, 25.0, 0.0)
    assert (out[:, :25] == 114).all()
    assert (out[:, 25:75] != 114).any(axis=2).all()


def test_orientation_can_be_left_alone() -> None:
    data = picture(2000, 1000, "JPEG", orientation=6)
    for target, options in [
        (spec.InputSpec(100, 100), messages.ImageOptions(auto_orient=False)),
        (spec.InputSpec(100, 100, auto_orient=False), messages.ImageOptions()),
    ]:
        _, placed = prepared(data, target, options)
        assert (placed.width, placed.height) == (2000, 1000)


def test_pixels_keep_their_places() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    out, _ = prepared(encoded(Image.fromarray(pixels), "PNG"), spec.InputSpec(64, 64))
    assert (out[16:48] == pixels).all()


@pytest.mark.parametrize("decoding", Decoding)
def test_a_static_crop_shows_only_its_part(decoding: Decoding) -> None:
    image = pictures.noise(40, 40)
    target = spec.InputSpec(20, 10, crop=(25, 50, 75, 75))
    out, placed = prepared(encoded(image, "PNG"), target, decoding=decoding)
    assert placed.crop == messages.Crop(10, 20, 20, 10)
    assert (out == np.asarray(image)[20:30, 10:30]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_crop_of_a_large_jpeg_is_read_from_the_reduced_one(orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = encoded(pictures.gradient(1600, 1200), "JPEG", exif=tags, quality=95)
    target = spec.InputSpec(100, 80, resize="stretch", crop=(10, 20, 60, 90))
    fast, placed = prepared(data, target)
    exact, _ = prepared(data, target, decoding=Decoding.EXACT)
    assert placed.crop is not None
    assert difference(fast, exact) <= 4
    assert np.ptp(exact) > 100


def test_grayscale_and_contrast_see_only_the_crop() -> None:
    image = Image.new("RGB", (40, 20), (255, 255, 255))
    image.paste(pictures.gradient(20, 20), (20, 0))
    target = spec.InputSpec(20, 20, crop=(50, 0, 100, 100), grayscale=True, contrast="stretching")
    out, _ = prepared(encoded(image, "PNG"), target)
    grey = steps.grayscale(np.asarray(pictures.gradient(20, 20)))
    assert (out == steps.contrast(grey, "stretching")).all()


@pytest.mark.parametrize(
    "step",
    [{"crop": (0, 0, 50, 50)}, {"grayscale": True}, {"contrast": "equalization"}],
)
def test_each_step_can_be_switched_off(step: dict[str, object]) -> None:
    data = encoded(pictures.gradient(32, 32), "PNG")
    plain, _ = prepared(data, spec.InputSpec(32, 32))
    target = msgspec.structs.replace(spec.InputSpec(32, 32), **step)
    assert difference(prepared(data, target)[0], plain) > 0
    out, placed = prepared(data, target, OFF)
    assert (out == plain).all()
    assert placed.crop is None


def test_exact_decoding_is_opencvs_from_the_file_to_the_input() -> None:
    data = encoded(pictures.noise(1000, 700), "JPEG", quality=95)
    target = spec.InputSpec(320, 320, resize="stretch")
    out, _ = prepared(data, target, decoding=Decoding.EXACT)
    expected = cv2.resize(by_opencv(data), (320, 320), interpolation=cv2.INTER_LINEAR)
    assert difference(out, np.asarray(expected, np.uint8)) <= 2


def test_a_bad_picture_is_named_as_such() -> None:
    with pytest.raises(errors.BadImageError, match=r"Could not load input image\. Cause: "):
        prepared(b"not a picture", spec.InputSpec(64, 64))


def test_the_limit_is_passed_on() -> None:
    with pytest.raises(errors.BadImageError, match="the limit is 10000000"):
        prepared(picture(4000, 4000), spec.InputSpec(64, 64))
