"""Masks from a network's maps, held against the way Ultralytics makes them."""

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from parallax.contract import messages
from parallax.vision import masks

NETWORK = (640, 640)
CELLS = (160, 160)
# 1280x720, scaled by a half and centred: 140 rows of padding above, a whole number of cells.
WIDE = messages.Geometry(1280, 720, 0.5, 0.5, 0.0, 140.0)
PADDED = messages.Geometry(640, 360, 1.0, 1.0, 0.0, 140.0)
Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]


def blob(x: float, y: float, radius_x: float, radius_y: float) -> Floats:
    """Return logits of an ellipse; all in network pixels."""
    rows, columns = np.indices(CELLS[::-1])
    across, down = (columns + 0.5) * 4.0 - x, (rows + 0.5) * 4.0 - y
    distance = np.hypot(across / radius_x, down / radius_y)
    logits: Floats = (8.0 * (1.0 - distance)).astype(np.float32)
    return logits


def cut(
    logits: Floats, box: list[float], placed: messages.Geometry = WIDE, detail: float = 1.0
) -> masks.Mask:
    along = masks.axes(NETWORK, (logits.shape[1], logits.shape[0]), placed)
    window = masks.window(np.array(box))
    (shape,) = masks.shapes([window], along, detail)
    return masks.cut(masks.whole(logits), along, window, shape)


def in_picture(mask: masks.Mask, placed: messages.Geometry = WIDE) -> Booleans:
    """Return a mask as the whole picture's pixels."""
    at = mask.window
    picture = np.zeros((placed.height, placed.width), np.bool_)
    part = cv2.resize(mask.pixels.view(np.uint8), (at.width, at.height), interpolation=0)
    picture[at.top : at.top + at.height, at.left : at.left + at.width] = part > 0
    return picture


def cropped(logits: Floats, box: list[float]) -> Floats:
    """Return logits that are 0 outside a box, as ``crop_mask`` in Ultralytics' ``utils/ops.py``."""
    rows, columns = np.indices(logits.shape)
    inside = (columns >= box[0]) & (columns < box[2]) & (rows >= box[1]) & (rows < box[3])
    kept: Floats = np.where(inside, logits, np.float32(0.0))
    return kept


def native(logits: Floats, box: list[float]) -> Booleans:
    """Return what ``process_mask_native`` makes of the wide picture."""
    full = cv2.resize(logits[35:125], (1280, 720), interpolation=cv2.INTER_LINEAR)
    return cropped(full.astype(np.float32, copy=False), box) > 0


def default(logits: Floats, box: list[float]) -> Booleans:
    """Return what ``process_mask`` makes of a picture that was only padded."""
    small = [box[0] / 4, box[1] / 4 + 35, box[2] / 4, box[3] / 4 + 35]
    full = cv2.resize(cropped(logits, small), NETWORK, interpolation=cv2.INTER_LINEAR)
    picture: Booleans = full[140:500] > 0
    return picture


def overlap(one: Booleans, other: Booleans) -> float:
    return float((one & other).sum() / (one | other).sum())


ELLIPSES = st.tuples(
    st.floats(150, 450), st.floats(250, 390), st.floats(20, 100), st.floats(20, 90)
)


@settings(max_examples=30)
@given(ELLIPSES)
def test_masks_agree_with_process_mask_native(ellipse: tuple[float, float, float, float]) -> None:
    x, y, radius_x, radius_y = ellipse
    # The box cuts a part of the ellipse off.
    box = [2 * (x - radius_x), 2 * (y - 140 - radius_y), 2 * (x + radius_x), 2 * (y - 130)]
    logits = blob(*ellipse)
    assert overlap(in_picture(cut(logits, box)), native(logits, box)) > 0.995


@settings(max_examples=30)
@given(ELLIPSES)
def test_masks_agree_with_process_mask(ellipse: tuple[float, float, float, float]) -> None:
    x, y, radius_x, radius_y = ellipse
    # It crops whole cells before it resizes, so a mask that reaches the box's edge bleeds over it.
    box = [x - radius_x - 9, y - 140 - radius_y - 9, x + radius_x + 9, y - 140 + radius_y + 9]
    logits = blob(*ellipse)
    assert overlap(in_picture(cut(logits, box, PADDED), PADDED), default(logits, box)) > 0.99


@pytest.mark.parametrize(("detail", "least"), [(0.0, 0.85), (0.5, 0.95)])
def test_less_detail_gives_a_coarser_mask_of_the_same_place(detail: float, least: float) -> None:
    box, logits = [300.0, 200.0, 700.0, 500.0], blob(250, 310, 70, 50)
    full, coarse = cut(logits, box), cut(logits, box, detail=detail)
    assert coarse.pixels.size < full.pixels.size
    assert least < overlap(in_picture(full), in_picture(coarse)) < 1.0


def test_without_detail_a_mask_has_the_size_of_its_maps_cells() -> None:
    assert cut(blob(320, 320, 50, 50), [0, 0, 1280, 720], detail=0.0).pixels.shape == (90, 160)


def test_weighted_prototypes_add_up() -> None:
    maps = np.stack([blob(200, 300, 50, 50), blob(400, 300, 50, 50)])
    part = masks.weighted(maps, np.array([0.25, 2.0], np.float32))
    rows, columns = slice(3, 9), slice(50, 70)
    wanted = 0.25 * maps[0, rows, columns] + 2.0 * maps[1, rows, columns]
    np.testing.assert_allclose(part(rows, columns), wanted, rtol=1e-5)


def test_padding_has_no_part_in_the_masks_at_the_edge_of_the_picture() -> None:
    logits = np.full((160, 160), -50.0, np.float32)
    logits[35:125] = 0.1
    assert cut(logits, [0, 0, 1280, 720]).pixels.all()


def test_a_static_crop_shifts_the_mask() -> None:
    crop = messages.Crop(100, 50, 640, 640)
    placed = messages.Geometry(1000, 800, 1.0, 1.0, 0.0, 0.0, crop)
    seen = in_picture(cut(blob(320, 320, 100, 100), [100, 50, 740, 690], placed), placed)
    rows, columns = np.nonzero(seen)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (320, 519, 270, 469)


def test_a_mask_is_cut_off_at_its_box() -> None:
    seen = in_picture(cut(np.ones((160, 160), np.float32), [100.2, 50.0, 110.0, 60.5]))
    rows, columns = np.nonzero(seen)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (101, 109, 50, 60)


def test_a_box_between_two_pixels_has_an_empty_mask() -> None:
    mask = cut(np.ones((160, 160), np.float32), [100.2, 50.0, 100.8, 60.0])
    assert not mask.pixels.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_one_cell_that_is_no_number_spoils_no_more_than_its_neighbours(value: float) -> None:
    logits = np.ones((160, 160), np.float32)
    logits[80, 80] = value
    seen = in_picture(cut(logits, [0, 0, 1280, 720]))
    assert np.count_nonzero(~seen) <= 24 * 24
    assert seen[:300].all()


def test_the_samples_of_many_masks_stay_below_the_limit() -> None:
    along = masks.axes(NETWORK, CELLS, WIDE)
    windows = [masks.Window(0, 0, 1280, 720)] * 10
    shapes = masks.shapes(windows, along, 1.0, limit=100_000)
    assert sum(rows * columns for rows, columns in shapes) < 103_000
    assert masks.shapes(windows, along, 1.0) == [(720, 1280)] * 10


# --- class maps ----------------------------------------------------------------------------------


def test_a_class_map_is_seen_in_the_size_that_is_asked_for() -> None:
    classes = np.zeros((640, 640), np.uint8)
    classes[140:500, :320] = 1
    classes[:140] = 9
    for size in ((1280, 720), (64, 36)):
        seen = masks.nearest(classes, NETWORK, WIDE, size)
        assert seen.shape == size[::-1]
        assert (seen[:, : size[0] // 2] == 1).all()
        assert not seen[:, size[0] // 2 :].any()


def test_what_the_network_was_not_shown_has_the_value_for_that() -> None:
    placed = messages.Geometry(8, 8, 1.0, 1.0, 0.0, 0.0, messages.Crop(2, 4, 4, 4))
    seen = masks.nearest(np.ones((4, 4), np.uint8), (4, 4), placed, (8, 8), 7)
    assert (seen[4:, 2:6] == 1).all()
    assert np.count_nonzero(seen == 7) == 48


def test_a_mask_of_a_picture_with_one_long_side_takes_memory_by_its_samples() -> None:
    strip = messages.Geometry(65_535, 1, 640 / 65_535, 640 / 65_535, 0.0, 320.0)
    along, window = masks.axes(NETWORK, CELLS, strip), masks.Window(0, 0, 65_535, 1)
    tracemalloc.start()
    mask = masks.cut(masks.whole(blob(0, 320, 320, 50)), along, window, (1, 65_535))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 30_000 < mask.pixels.sum() < 36_000
    assert most < 100 * mask.pixels.size


@given(st.floats(20, 620), st.floats(150, 490), st.floats(4, 300), st.floats(4, 300))
def test_the_extent_of_a_mask_holds_all_of_it(x: float, y: float, wide: float, high: float) -> None:
    along, logits = masks.axes(NETWORK, CELLS, WIDE), blob(x, y, wide, high)
    at = masks.extent(logits, along, WIDE)
    part, everywhere = masks.whole(logits), masks.Window(0, 0, 1280, 720)
    found = masks.cut(part, along, everywhere, (720, 1280)).pixels
    inside = found[at.top : at.top + at.height, at.left : at.left + at.width]
    assert inside.sum() == found.sum()


def test_a_mask_without_a_cell_above_zero_has_no_extent() -> None:
    at = masks.extent(
        np.full(CELLS[::-1], -1.0, np.float32), masks.axes(NETWORK, CELLS, WIDE), WIDE
    )
    assert (at.width, at.height) == (0, 0)


def test_the_values_that_occur_are_found() -> None:
    classes = np.zeros((300, 70), np.uint8)
    classes[299, 69], classes[0, 3] = 255, 7
    assert masks.present(classes) == [0, 7, 255]
    assert masks.present(np.full((2, 2), 9, np.uint8)) == [9]
