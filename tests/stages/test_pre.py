"""An encoded picture fills the slot exactly, borders and all."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from parallax.contract import errors, messages, spec
from parallax.stages import pre


def picture(width: int, height: int, kind: str = "PNG", orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 50)).save(file, kind, exif=tags)
    return file.getvalue()


def prepared(
    data: bytes, target: spec.InputSpec, *, auto_orient: bool = True
) -> tuple[NDArray[np.uint8], messages.Geometry]:
    # What an earlier picture left in the slot must be gone.
    out = np.full((target.height, target.width, 3), 7, dtype=np.uint8)
    placed = pre.prepare(data, messages.ImageOptions(auto_orient), target, 10**7, out)
    return out, placed


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (50, 50), (63, 31), (1000, 333)])
@pytest.mark.parametrize("resize", ["letterbox", "letterbox-top-left", "stretch"])
def test_every_byte_is_picture_or_padding(size: tuple[int, int], resize: str) -> None:
    target = spec.InputSpec(64, 48, resize=resize, padding=114)
    out, _ = prepared(picture(*size), target)
    is_picture = (out == (200, 100, 50)).all(axis=2)
    is_padding = (out == 114).all(axis=2)
    assert (is_picture | is_padding).all()
    scale = min(64 / size[0], 48 / size[1])
    area = 64 * 48 if resize == "stretch" else size[0] * scale * size[1] * scale
    assert is_picture.sum() == pytest.approx(area, rel=0.04)


def test_a_turned_jpeg_reports_the_upright_original() -> None:
    out, placed = prepared(picture(2000, 1000, "JPEG", orientation=6), spec.InputSpec(100, 100))
    assert (placed.width, placed.height) == (1000, 2000)
    assert (placed.scale_x, placed.pad_x, placed.pad_y) == (0.05, 25.0, 0.0)
    assert (out[:, :25] == 114).all()
    assert (out[:, 25:75] != 114).any(axis=2).all()


def test_orientation_can_be_left_alone() -> None:
    data = picture(2000, 1000, "JPEG", orientation=6)
    _, placed = prepared(data, spec.InputSpec(100, 100), auto_orient=False)
    assert (placed.width, placed.height) == (2000, 1000)


def test_pixels_keep_their_places() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    out, _ = prepared(file.getvalue(), spec.InputSpec(64, 64))
    assert (out[16:48] == pixels).all()


def test_a_bad_picture_is_named_as_such() -> None:
    with pytest.raises(errors.BadImageError, match=r"Could not load input image\. Cause: "):
        prepared(b"not a picture", spec.InputSpec(64, 64))


def test_the_limit_is_passed_on() -> None:
    with pytest.raises(errors.BadImageError, match="the limit is 10000000"):
        prepared(picture(4000, 4000), spec.InputSpec(64, 64))
