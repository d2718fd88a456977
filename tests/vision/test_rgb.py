"""Every kind of file gives the pixels that OpenCV's ``IMREAD_COLOR`` gives."""

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.support import pictures
from tests.support.pictures import by_opencv, decoded, difference, encoded

needs_webp = pytest.mark.skipif(not pictures.HAS_WEBP, reason="this build reads no WebP")
PICTURES = [pictures.gradient(), pictures.noise()]


def with_alpha(image: Image.Image) -> Image.Image:
    clear = image.copy()
    clear.putalpha(image.convert("L"))
    return clear


@pytest.mark.parametrize("image", PICTURES)
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_files(image: Image.Image, mode: str, kind: str) -> None:
    data = encoded(image.convert(mode), kind)
    assert difference(decoded(data), by_opencv(data)) == 0


@pytest.mark.parametrize("image", PICTURES)
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_in_a_png(image: Image.Image, mode: str) -> None:
    data = encoded(with_alpha(image).convert(mode), "PNG")
    assert difference(decoded(data), by_opencv(data)) == 0


def test_a_palette_with_transparency() -> None:
    shares = bytes(range(0, 256, 16))
    data = encoded(pictures.gradient().quantize(16), "PNG", transparency=shares)
    assert difference(decoded(data), by_opencv(data)) == 0


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"quality": 20}]
)
@pytest.mark.parametrize("image", PICTURES)
def test_jpegs(image: Image.Image, options: dict[str, object]) -> None:
    data = encoded(image, "JPEG", **options)
    assert difference(decoded(data), by_opencv(data)) <= 2


@needs_webp
@pytest.mark.parametrize("options", [{}, {"lossless": True}])
@pytest.mark.parametrize("clear", [False, True])
def test_webp(options: dict[str, object], clear: bool) -> None:
    image = pictures.gradient()
    data = encoded(with_alpha(image) if clear else image, "WEBP", exact=True, **options)
    assert difference(decoded(data), by_opencv(data)) <= 2


def cmyk(marker: str) -> bytes:
    """A CMYK JPEG as Adobe writes it, with the given fate of Adobe's marker."""
    data = encoded(pictures.gradient().convert("CMYK"), "JPEG", quality=95)
    start = data.index(b"Adobe") - 4
    end = start + 16
    if marker == "none":
        return data[:start] + data[end:]
    transform = {"CMYK": 0, "YCCK": 2}[marker]
    return data[: end - 1] + bytes([transform]) + data[end:]


@pytest.mark.parametrize("marker", ["CMYK", "YCCK", "none"])
def test_cmyk_jpegs(marker: str) -> None:
    # OpenCV multiplies the black channel in with a shift, Pillow with a rounded division.
    assert difference(decoded(cmyk(marker)), by_opencv(cmyk(marker))) <= 2


@pytest.mark.parametrize(
    ("suffix", "channels", "tolerance"),
    # OpenCV rounds the channels of a colour TIFF, and truncates everything else.
    [(".png", 1, 0), (".png", 3, 0), (".png", 4, 0), (".tif", 1, 0), (".tif", 3, 1)],
)
def test_sixteen_bits(suffix: str, channels: int, tolerance: int) -> None:
    shape = (32, 48, channels)
    deep = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    data = cv2.imencode(suffix, deep)[1].tobytes()
    assert difference(decoded(data), by_opencv(data)) <= tolerance


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("GIF", {}),
        ("PNG", {}),
        ("PNG", {"default_image": True}),
        pytest.param("WEBP", {"lossless": True}, marks=needs_webp),
        ("TIFF", {}),
    ],
)
def test_the_first_of_many_frames(kind: str, options: dict[str, object]) -> None:
    first, second = (pictures.noise(seed=seed) for seed in (1, 2))
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    assert difference(decoded(data), by_opencv(data)) == 0
    assert difference(decoded(data), np.asarray(second)) > 100


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", pytest.param("WEBP", marks=needs_webp)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(kind: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = encoded(pictures.gradient(), kind, exif=tags)
    assert difference(decoded(data), by_opencv(data)) <= 2
