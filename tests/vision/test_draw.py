"""What is drawn is where it belongs, in its colour, and the rest of the picture is as before."""

import io

import numpy as np
import pytest
from PIL import Image

from parallax.vision import draw, masks

RED = (0, 0, 255)
GREY = (100, 100, 100)


def canvas(width: int = 200, height: int = 100, *, stroke: int = 1, scale: int = 1) -> draw.Canvas:
    """Return a grey canvas for a picture ``scale`` times as large."""
    image = Image.new("RGB", (width, height), GREY)
    return draw.canvas(np.asarray(image), width * scale, height * scale, stroke)


def at(sheet: draw.Canvas, x: int, y: int) -> tuple[int, ...]:
    return tuple(sheet.pixels[y, x].tolist())


def test_a_box_is_a_frame_in_its_colour() -> None:
    sheet = canvas(stroke=1)
    sheet.box((20, 30, 120, 80), RED)
    assert at(sheet, 20, 50) == at(sheet, 120, 50) == at(sheet, 60, 30) == at(sheet, 60, 80) == RED
    assert at(sheet, 60, 50) == at(sheet, 10, 50) == GREY


def test_lines_are_as_wide_as_asked() -> None:
    sheet = canvas(stroke=5)
    sheet.box((50, 50, 150, 90), RED)
    assert sum(at(sheet, x, 70) == RED for x in range(30, 70)) in range(5, 8)


@pytest.mark.parametrize("stroke", [-5, 0, 10**9])
def test_a_line_width_out_of_range_is_none_of_opencvs_business(stroke: int) -> None:
    sheet = canvas(stroke=stroke)
    sheet.box((20, 30, 120, 80), RED)
    assert at(sheet, 20, 50) == RED


@pytest.mark.parametrize("y", [60, 2])
def test_a_label_stands_at_the_upper_left_corner(y: int) -> None:
    sheet = canvas()
    sheet.box((20, y, 120, 95), RED, "dog 0.87")
    label = sheet.pixels[y - 10 : y - 2, 22:80] if y > 10 else sheet.pixels[y + 2 : y + 10, 22:80]
    assert (label == RED).all(axis=2).any()
    assert (label > 200).all(axis=2).any()


@pytest.mark.parametrize("text", ["", "\0", "ünï\ud800", "x" * 5000, "%s\n"])
def test_any_text_can_be_a_label(text: str) -> None:
    sheet = canvas()
    sheet.box((150, 50, 199, 99), RED, text)
    assert at(sheet, 199, 80) == RED


def test_coordinates_are_those_of_the_picture_not_of_its_reduced_copy() -> None:
    sheet = canvas(scale=4)
    sheet.box((80, 120, 480, 320), RED)
    assert at(sheet, 20, 50) == at(sheet, 120, 50) == RED


def test_the_picture_shows_through_a_mask() -> None:
    sheet = canvas()
    pixels = np.zeros((2, 2), np.bool_)
    pixels[:, 1] = True
    sheet.fill([(masks.Mask(masks.Window(40, 20, 60, 40), pixels), RED)])
    assert at(sheet, 50, 40) == at(sheet, 110, 40) == GREY
    blue, green, red = at(sheet, 90, 40)
    assert blue == green < 100 < red < 255


def test_a_mask_without_pixels_changes_nothing() -> None:
    sheet = canvas()
    sheet.fill([(masks.Mask(masks.Window(40, 20, 0, 5), np.ones((1, 1), np.bool_)), RED)])
    assert (sheet.pixels == 100).all()


def test_a_crowd_is_filled_until_it_has_covered_the_picture_often_enough() -> None:
    sheet = canvas()
    everywhere = masks.Mask(masks.Window(0, 0, 200, 100), np.ones((1, 1), np.bool_))
    corner = masks.Mask(masks.Window(0, 0, 10, 10), np.ones((1, 1), np.bool_))
    sheet.fill([(everywhere, RED)] * (draw.MOST_FILLED + 1) + [(corner, (255, 0, 0))])
    assert at(sheet, 5, 5) == at(sheet, 100, 50)


def test_regions_are_filled_but_for_the_background() -> None:
    sheet = canvas(20, 600)
    classes = np.zeros((600, 20), np.uint8)
    classes[300:, :] = 1
    sheet.regions(classes, [RED, RED])
    assert at(sheet, 5, 299) == GREY
    assert at(sheet, 5, 300) == at(sheet, 19, 599) != GREY


def test_keypoints_are_joined_where_both_ends_are_there() -> None:
    sheet = canvas()
    points = {0: (20.0, 50.0), 2: (80.0, 50.0), 3: (150.0, 50.0)}
    sheet.skeleton(points, ((0, 2), (1, 2), (2, 99), (-1, 3)), RED)
    assert at(sheet, 20, 50) == at(sheet, 150, 50) == RED
    assert at(sheet, 50, 50)[2] > 200
    assert at(sheet, 115, 50) == GREY


def test_captions_stand_one_below_the_other() -> None:
    sheet = canvas(200, 200)
    sheet.caption([("cat 0.50", RED), ("dog 0.40", (255, 0, 0))])
    column = [at(sheet, 1, y) for y in range(60)]
    assert column.index(RED) < column.index((255, 0, 0)) < column.index(GREY)


def test_a_caption_longer_than_the_picture_is_cut_off() -> None:
    sheet = canvas(10, 10)
    sheet.caption([("a label " * 20, RED)] * 50)
    assert sheet.pixels.shape == (10, 10, 3)


def test_the_result_is_a_jpeg_of_the_picture() -> None:
    sheet = draw.canvas(np.asarray(Image.new("RGB", (64, 48), (250, 10, 10))), 64, 48, 1)
    with Image.open(io.BytesIO(sheet.jpeg())) as image:
        assert (image.format, image.size) == ("JPEG", (64, 48))
        red, green, blue = np.asarray(image.convert("RGB"))[20, 20]
    assert red > 240
    assert max(green, blue) < 30


# --- colours and sizes ---------------------------------------------------------------------------


def test_colours_of_the_model_come_first() -> None:
    assert draw.color(1, ("#000000", "#ff8001")) == (0x01, 0x80, 0xFF)


@pytest.mark.parametrize("given", [(), ("red",), ("#12345",), ("#12345g",), ("#+12345",)])
def test_without_a_proper_colour_the_palette_helps_out(given: tuple[str, ...]) -> None:
    assert draw.color(0, given) == draw.color(0, ())
    assert draw.color(0, ()) != draw.color(1, ())


@pytest.mark.parametrize("class_id", [-1, 10**6])
def test_every_class_has_a_colour(class_id: int) -> None:
    assert len(draw.color(class_id, ())) == 3


@pytest.mark.parametrize(
    ("picture", "drawn"),
    [
        ((1920, 1080), (1920, 1080)),
        ((10_000, 10_000), (5000, 5000)),
        ((64_000, 100), (32_000, 50)),
        ((10**8, 1), (32_000, 1)),
    ],
)
def test_large_pictures_are_drawn_on_a_reduced_copy(
    picture: tuple[int, int], drawn: tuple[int, int]
) -> None:
    assert draw.size(*picture) == drawn


def test_values_survive_a_png() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with Image.open(io.BytesIO(draw.png(values))) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), values)
