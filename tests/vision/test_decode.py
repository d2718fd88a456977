"""Any bytes give a picture or a ``BadImageError``, and a picture is the right way up."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from parallax.contract import errors
from parallax.vision import decode, exif
from tests.support.pictures import HAS_WEBP, LIMIT, decoded, encoded, gradient, noise

FORMATS = ["JPEG", "PNG", "BMP", "TIFF", "GIF", *(["WEBP"] if HAS_WEBP else [])]


def decode_fully(data: bytes, limit: int) -> None:
    picture = decode.open_picture(data, limit)
    decode.read(picture, min(picture.width, 20), min(picture.height, 20))


def refusal(data: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(errors.BadImageError) as caught:
        decode_fully(data, limit)
    assert caught.value.message.startswith("Could not load input image. Cause: ")
    return caught.value.message


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_picture_in_rgb(kind: str) -> None:
    pixels = decoded(encoded(gradient(), kind))
    assert pixels.shape == (32, 48, 3)
    tolerance = 40 if kind in ("GIF", "WEBP") else 12
    assert np.abs(pixels.astype(int) - np.asarray(gradient()).astype(int)).mean() < tolerance


@pytest.mark.skipif(HAS_WEBP, reason="this build reads WebP")
def test_webp_without_libwebp_says_so() -> None:
    assert "WebP is not supported" in refusal(b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(30))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_picture_and_size(kind: str, orientation: int) -> None:
    upright = gradient()
    turn = exif.TURNS.get(exif.INVERSE.get(orientation, orientation))
    stored = upright if turn is None else upright.transpose(turn)
    tags = Image.Exif()
    tags[exif.ORIENTATION_TAG] = orientation
    data = encoded(stored, kind, exif=tags)

    picture = decode.open_picture(data, LIMIT)
    assert (picture.width, picture.height) == upright.size
    pixels = decode.read(picture, *upright.size).astype(int)
    assert np.abs(pixels - np.asarray(upright).astype(int)).mean() < 4

    as_stored = decoded(data, auto_orient=False)
    assert as_stored.shape[:2] == (stored.height, stored.width)
    assert np.abs(as_stored.astype(int) - np.asarray(stored).astype(int)).mean() < 4


def test_a_damaged_exif_block_leaves_the_picture_readable() -> None:
    data = encoded(gradient(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
    assert decoded(data).shape == (32, 48, 3)


@pytest.mark.parametrize(
    "block", [b"", b"II", b"Exif\x00\x00", b"MM\x00*\x00\x00\x00\x08", b"XX*\x00" + bytes(20)]
)
def test_an_exif_block_without_orientation_means_as_stored(block: bytes) -> None:
    assert exif.orientation(block) == 1


def test_a_reduced_jpeg_reports_the_size_of_the_original() -> None:
    picture = decode.open_picture(encoded(gradient(1921, 1083), "JPEG"), LIMIT)
    image = decode.read(picture, 320, 180)
    assert (picture.width, picture.height) == (1921, 1083)
    assert image.shape == (180, 320, 3)


def test_a_jpeg_is_never_decoded_below_the_wanted_size() -> None:
    picture = decode.open_picture(encoded(gradient(1000, 1000), "JPEG"), LIMIT)
    decode.read(picture, 251, 251)
    assert picture.source.size == (500, 500)


def test_a_reduced_jpeg_looks_like_the_whole_one() -> None:
    data = encoded(gradient(1000, 700), "JPEG", quality=95)
    small = decode.read(decode.open_picture(data, LIMIT), 100, 70).astype(int)
    whole = Image.fromarray(decoded(data)).resize((100, 70), Image.Resampling.BILINEAR)
    assert np.abs(small - np.asarray(whole).astype(int)).max() <= 3


def test_alpha_is_dropped_and_not_blended() -> None:
    image = gradient()
    image.putalpha(Image.new("L", image.size, 3))
    assert (decoded(encoded(image, "PNG")) == np.asarray(gradient())).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_with_transparency_gives_its_colours(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 10, 20, 30, 40, 250])
    image.putpixel((1, 0), 1)
    options: dict[str, object] = {"transparency": 1 if kind == "GIF" else b"\x80\x00"}
    assert decoded(encoded(image, kind, **options)).tolist() == [[[200, 10, 20], [30, 40, 250]]]


def test_transparent_grey_is_grey() -> None:
    image = Image.new("LA", (4, 4), (90, 0))
    assert (decoded(encoded(image, "PNG")) == 90).all()


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = decoded(encoded(image, "JPEG"))[8, 8]
    assert red > 200
    assert max(green, blue) < 60


def test_bilevel_becomes_black_and_white() -> None:
    assert decoded(encoded(Image.new("1", (8, 8), 1), "PNG")).tolist() == [[[255] * 3] * 8] * 8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_high_byte(kind: str) -> None:
    image = Image.fromarray(np.array([[0, 255, 256, 40000, 65535]], dtype=np.uint16))
    assert decoded(encoded(image, kind))[0, :, 1].tolist() == [0, 0, 1, 156, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 77.0, 300.0], [0, 77, 255])],
)
def test_floats_are_taken_as_fractions_or_as_bytes(
    values: list[float], expected: list[int]
) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    assert decoded(encoded(image, "TIFF"))[0, :, 0].tolist() == expected


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decoded(data)[0, 0].tolist() == [255, 0, 0]


def test_memoryviews_are_read() -> None:
    data = memoryview(b"xx" + encoded(gradient(), "PNG"))[2:]
    assert decode.open_picture(data, LIMIT).width == 48


@pytest.mark.parametrize("data", [b"", b"\x00", b"hello, world", b"<svg/>", bytes(1000)])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert "no data" in refusal(data) if not data else "known format" in refusal(data)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(kind: str, share: float) -> None:
    data = encoded(noise(), kind)
    refusal(data[: int(len(data) * share)])


def png_header(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(head))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 10)
        + b"IDAT"
        + bytes(14)
    )


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
def test_a_side_that_is_far_too_long_is_refused_however_few_pixels_there_are(
    size: tuple[int, int],
) -> None:
    assert "has a side of more than 65535 pixels" in refusal(encoded(Image.new("L", size), "PNG"))


def test_a_bomb_is_refused_by_its_header_with_size_and_limit() -> None:
    message = refusal(png_header(50_000, 50_000))
    assert "50000x50000" in message
    assert str(LIMIT) in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF"])
def test_the_limit_holds_for_every_format(kind: str) -> None:
    assert "48x32 is 1536 pixels, the limit is 1535" in refusal(encoded(gradient(), kind), 1535)
    decode.open_picture(encoded(gradient(), kind), 1536)


def test_pillows_own_limit_does_not_interfere() -> None:
    picture = decode.open_picture(png_header(20_000, 20_000), 20_000 * 20_000)
    assert picture.width == 20_000


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=8),
    early=st.booleans(),
)
def test_flipped_bytes_give_a_picture_or_a_bad_image_error(
    kind: str, flips: list[tuple[float, int]], early: bool
) -> None:
    data = bytearray(encoded(gradient(), kind))
    # Headers are where decoders trip, so half of the examples damage only the first hundred bytes.
    reach = min(len(data), 100) if early else len(data)
    for place, mask in flips:
        data[int(place * reach)] ^= mask
    with contextlib.suppress(errors.BadImageError):
        decode_fully(bytes(data), 1_000_000)


@settings(max_examples=300)
@given(
    head=st.sampled_from(
        [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM", b"GIF89a", b"II*\x00", b"MM\x00+"]
    ),
    tail=st.binary(max_size=200),
)
def test_garbage_behind_a_signature_gives_a_bad_image_error(head: bytes, tail: bytes) -> None:
    with contextlib.suppress(errors.BadImageError):
        decode_fully(head + tail, 1_000_000)
