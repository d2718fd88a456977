"""Boxes go to the network's input and back without moving."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import messages, spec
from parallax.vision import geometry

SIDES = st.integers(1, 5000)
NETWORKS = st.integers(8, 1280)
MODES = st.sampled_from(geometry.RESIZES)
PERCENTS = st.floats(0, 100)
CROPS = st.none() | st.tuples(PERCENTS, PERCENTS, PERCENTS, PERCENTS)


def placed(frame: geometry.Frame) -> tuple[int, int, int, int]:
    return frame.left, frame.top, frame.width, frame.height


@pytest.mark.parametrize("resize", ["letterbox", "letterbox-reflect"])
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (0, 140, 640, 360)),
        ((640, 480), (0, 80, 640, 480)),
        ((480, 640), (80, 0, 480, 640)),
        # 425.7 rounds to 426; an odd row or column of padding goes below or right.
        ((451, 300), (0, 107, 640, 426)),
        ((639, 301), (0, 169, 640, 301)),
        ((3, 5000), (319, 0, 1, 640)),
    ],
)
def test_a_centred_letterbox(
    resize: str, size: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    frame, mapping = geometry.fit(*size, spec.InputSpec(640, 640, resize=resize))
    assert placed(frame) == expected
    assert list(frame.source) == [0, 0, *size]
    assert (mapping.pad_x, mapping.pad_y) == (frame.left, frame.top)
    # Each axis as it was really scaled, with the rounding.
    assert (mapping.scale_x, mapping.scale_y) == (frame.width / size[0], frame.height / size[1])


def test_a_top_left_letterbox_truncates() -> None:
    target = spec.InputSpec(416, 416, resize="letterbox-top-left")
    frame, mapping = geometry.fit(451, 300, target)
    assert placed(frame) == (0, 0, 416, 276)
    assert (mapping.pad_x, mapping.pad_y) == (0, 0)


def test_stretching_scales_each_axis() -> None:
    frame, mapping = geometry.fit(320, 1280, spec.InputSpec(640, 640, resize="stretch"))
    assert placed(frame) == (0, 0, 640, 640)
    assert (mapping.scale_x, mapping.scale_y) == (2.0, 0.5)


@pytest.mark.parametrize(
    ("size", "scaled", "pads"),
    [
        ((500, 333), (336, 224), (-56, 0)),  # 224 * 500 / 333 = 336.3
        ((333, 500), (224, 336), (0, -56)),
        ((224, 227), (224, 227), (0, -2)),  # half of 3 is rounded to even
        ((100, 100), (224, 224), (0, 0)),
    ],
)
def test_filling_covers_the_input_and_cuts_the_longer_side(
    size: tuple[int, int], scaled: tuple[int, int], pads: tuple[int, int]
) -> None:
    frame, mapping = geometry.fit(*size, spec.InputSpec(224, 224, resize="fill"))
    assert placed(frame) == (0, 0, 224, 224)
    assert [mapping.pad_x, mapping.pad_y] == list(pads)
    assert (mapping.scale_x, mapping.scale_y) == (scaled[0] / size[0], scaled[1] / size[1])


def test_filling_an_input_that_is_no_square() -> None:
    _, mapping = geometry.fit(1000, 500, spec.InputSpec(300, 100, resize="fill"))
    assert (mapping.scale_x, mapping.pad_x, mapping.pad_y) == (0.3, 0.0, -25.0)


def test_a_center_crop_cuts_one_side_and_pads_the_other() -> None:
    frame, mapping = geometry.fit(101, 31, spec.InputSpec(64, 64, resize="center-crop"))
    assert placed(frame) == (0, 16, 64, 31)
    assert list(frame.source) == [18, 0, 82, 31]
    assert (mapping.scale_x, mapping.pad_x, mapping.pad_y) == (1.0, -18.0, 16.0)


def test_a_static_crop_is_truncated_to_whole_pixels() -> None:
    target = spec.InputSpec(64, 64, crop=(12.9, 0.0, 75.0, 99.9))
    frame, mapping = geometry.fit(101, 51, target)
    assert mapping.crop == messages.Crop(13, 0, 62, 50)
    assert list(frame.source) == [13, 0, 75, 50]
    assert mapping.scale_x == 64 / 62


@pytest.mark.parametrize(
    "percents", [(50, 50, 50, 50), (100, 100, 100, 100), (80, 80, 20, 20), (0, 0, 0, 0)]
)
def test_a_crop_of_nothing_is_a_pixel(percents: tuple[float, float, float, float]) -> None:
    _, mapping = geometry.fit(7, 5, spec.InputSpec(32, 32, crop=percents))
    assert mapping.crop is not None
    assert (mapping.crop.width, mapping.crop.height) == (1, 1)


def test_an_unknown_resize_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown resize 'crop'"):
        geometry.fit(10, 10, spec.InputSpec(32, 32, resize="crop"))


@given(width=SIDES, height=SIDES, net_w=NETWORKS, net_h=NETWORKS, mode=MODES, crop=CROPS)
def test_the_frame_lies_in_the_input_and_shows_part_of_the_crop(
    width: int,
    height: int,
    net_w: int,
    net_h: int,
    mode: str,
    crop: tuple[float, float, float, float] | None,
) -> None:
    target = spec.InputSpec(net_w, net_h, resize=mode, crop=crop)
    frame, mapping = geometry.fit(width, height, target)
    assert 0 <= frame.left < frame.left + frame.width <= net_w
    assert 0 <= frame.top < frame.top + frame.height <= net_h
    area = geometry.seen(mapping)
    left, top, right, bottom = frame.source
    assert 0 <= area.left <= left < right <= area.left + area.width <= width
    assert 0 <= area.top <= top < bottom <= area.top + area.height <= height
    if mode != "fill":
        assert all(side == int(side) for side in frame.source)


@given(width=SIDES, height=SIDES, net_w=NETWORKS, net_h=NETWORKS, mode=MODES)
def test_the_frame_touches_the_edges_it_should(
    width: int, height: int, net_w: int, net_h: int, mode: str
) -> None:
    frame, _ = geometry.fit(width, height, spec.InputSpec(net_w, net_h, resize=mode))
    if mode in ("stretch", "fill"):
        assert placed(frame) == (0, 0, net_w, net_h)
    elif mode == "center-crop":
        assert (frame.width, frame.height) == (min(width, net_w), min(height, net_h))
    else:
        assert frame.width == net_w or frame.height == net_h
    if mode in ("letterbox", "letterbox-reflect"):
        assert 0 <= (net_w - frame.width - frame.left) - frame.left <= 1
        assert 0 <= (net_h - frame.height - frame.top) - frame.top <= 1


@given(width=SIDES, height=SIDES, mode=MODES, crop=CROPS, at=st.tuples(*[st.floats(0, 1)] * 2))
def test_a_point_of_the_frame_comes_back_to_where_it_was(
    width: int,
    height: int,
    mode: str,
    crop: tuple[float, float, float, float] | None,
    at: tuple[float, float],
) -> None:
    target = spec.InputSpec(640, 480, resize=mode, crop=crop)
    frame, mapping = geometry.fit(width, height, target)
    area = geometry.seen(mapping)
    pads, scales = (mapping.pad_x, mapping.pad_y), (mapping.scale_x, mapping.scale_y)
    # A letterbox's frame is rounded, so its last half pixel may lie beyond the picture.
    ends = np.array([area.width, area.height]) * scales + pads
    inside = np.array([frame.left, frame.top]) + np.array(at) * [frame.width, frame.height]
    point = np.minimum(inside, ends)
    back = geometry.points_to_picture(point[None, None], mapping)[0, 0]
    again = (back - [area.left, area.top]) * scales + pads
    np.testing.assert_allclose(again, point, atol=1e-6)


@given(width=SIDES, height=SIDES, mode=MODES, crop=CROPS)
def test_the_frames_corners_map_to_what_it_shows(
    width: int, height: int, mode: str, crop: tuple[float, float, float, float] | None
) -> None:
    frame, mapping = geometry.fit(width, height, spec.InputSpec(640, 480, resize=mode, crop=crop))
    edges = (frame.left, frame.top, frame.left + frame.width, frame.top + frame.height)
    (back,) = geometry.to_picture(np.array([edges], dtype=np.float64), mapping)
    # A letterbox's sides are whole pixels of the network, hence up to one off.
    sides = np.array([mapping.scale_x, mapping.scale_y] * 2)
    assert (np.abs(back - frame.source) <= 1.001 / sides).all()


def test_boxes_are_clipped_to_the_picture() -> None:
    _, mapping = geometry.fit(100, 50, spec.InputSpec(200, 200))
    boxes = geometry.to_picture(np.array([[-5.0, -5.0, 500.0, 500.0]]), mapping)
    assert boxes.tolist() == [[0, 0, 100, 50]]


def test_boxes_and_points_are_clipped_to_the_crop() -> None:
    target = spec.InputSpec(200, 200, resize="stretch", crop=(25, 50, 75, 100))
    _, mapping = geometry.fit(100, 50, target)
    far = np.array([[-5.0, -5.0, 500.0, 500.0]])
    assert geometry.to_picture(far, mapping).tolist() == [[25, 25, 75, 50]]
    points = geometry.points_to_picture(far.reshape(1, 2, 2), mapping)
    assert points.tolist() == [[[25, 25], [75, 50]]]


def test_no_points_map_to_no_points() -> None:
    _, mapping = geometry.fit(100, 50, spec.InputSpec(200, 200))
    assert geometry.points_to_picture(np.zeros((0, 17, 2)), mapping).shape == (0, 17, 2)
    assert geometry.to_picture(np.zeros((0, 4)), mapping).shape == (0, 4)


def test_corners_of_centres() -> None:
    corners = geometry.to_corners(np.array([[10, 20, 4, 6]], dtype=np.float32))
    assert corners.tolist() == [[8, 17, 12, 23]]
