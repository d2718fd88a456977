"""Boxes go to the network's input and back without moving."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import spec
from parallax.vision import geometry

SIDES = st.integers(1, 5000)
MODES = st.sampled_from(["letterbox", "letterbox-top-left", "stretch"])


@pytest.mark.parametrize(
    ("size", "frame"),
    [
        ((1920, 1080), geometry.Frame(0, 140, 640, 360)),
        ((640, 480), geometry.Frame(0, 80, 640, 480)),
        ((480, 640), geometry.Frame(80, 0, 480, 640)),
        # 425.7 rounds to 426; an odd row or column of padding goes below or right.
        ((451, 300), geometry.Frame(0, 107, 640, 426)),
        ((639, 301), geometry.Frame(0, 169, 640, 301)),
        ((3, 5000), geometry.Frame(319, 0, 1, 640)),
    ],
)
def test_a_centred_letterbox(size: tuple[int, int], frame: geometry.Frame) -> None:
    placed, mapping = geometry.fit(*size, spec.InputSpec(640, 640))
    assert placed == frame
    assert (mapping.pad_x, mapping.pad_y) == (frame.left, frame.top)
    assert mapping.scale_x == mapping.scale_y == min(640 / size[0], 640 / size[1])


def test_a_top_left_letterbox_truncates() -> None:
    target = spec.InputSpec(416, 416, resize="letterbox-top-left")
    placed, mapping = geometry.fit(451, 300, target)
    assert placed == geometry.Frame(0, 0, 416, 276)
    assert (mapping.pad_x, mapping.pad_y) == (0, 0)


def test_stretching_scales_each_axis() -> None:
    placed, mapping = geometry.fit(320, 1280, spec.InputSpec(640, 640, resize="stretch"))
    assert placed == geometry.Frame(0, 0, 640, 640)
    assert (mapping.scale_x, mapping.scale_y) == (2.0, 0.5)


def test_an_unknown_resize_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown resize 'crop'"):
        geometry.fit(10, 10, spec.InputSpec(32, 32, resize="crop"))


@given(
    width=SIDES,
    height=SIDES,
    net_w=st.integers(8, 1280),
    net_h=st.integers(8, 1280),
    mode=MODES,
)
def test_the_frame_lies_in_the_input_and_touches_two_edges(
    width: int, height: int, net_w: int, net_h: int, mode: str
) -> None:
    frame, _ = geometry.fit(width, height, spec.InputSpec(net_w, net_h, resize=mode))
    assert frame.left >= 0
    assert frame.top >= 0
    assert frame.left + frame.width <= net_w
    assert frame.top + frame.height <= net_h
    assert frame.width == net_w or frame.height == net_h
    if mode == "letterbox":
        assert 0 <= (net_w - frame.width - frame.left) - frame.left <= 1
        assert 0 <= (net_h - frame.height - frame.top) - frame.top <= 1


@given(
    width=SIDES,
    height=SIDES,
    mode=MODES,
    box=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_box_comes_back_to_where_it_was(
    width: int, height: int, mode: str, box: tuple[float, float, float, float]
) -> None:
    _, mapping = geometry.fit(width, height, spec.InputSpec(640, 480, resize=mode))
    sizes = np.array([width, height] * 2)
    corners = np.array([box]) * sizes
    scales = np.array([mapping.scale_x, mapping.scale_y] * 2)
    pads = np.array([mapping.pad_x, mapping.pad_y] * 2)
    back = geometry.to_picture(corners * scales + pads, mapping)
    np.testing.assert_allclose(back, corners, atol=1e-6 * sizes.max())


def test_boxes_are_clipped_to_the_picture() -> None:
    _, mapping = geometry.fit(100, 50, spec.InputSpec(200, 200))
    boxes = geometry.to_picture(np.array([[-5.0, -5.0, 500.0, 500.0]]), mapping)
    assert boxes.tolist() == [[0, 0, 100, 50]]


def test_corners_of_centres() -> None:
    corners = geometry.to_corners(np.array([[10, 20, 4, 6]], dtype=np.float32))
    assert corners.tolist() == [[8, 17, 12, 23]]
