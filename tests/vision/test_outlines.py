"""Outlines run where the masks end, and are no longer than an answer can be."""

import numpy as np

from parallax.vision import masks, outlines


def outline(*rows: str, step: int = 1) -> set[tuple[float, float]]:
    pixels = np.array([[cell == "#" for cell in row] for row in rows])
    window = masks.Window(10, 20, pixels.shape[1] * step, pixels.shape[0] * step)
    return {(x, y) for x, y in outlines.polygon(masks.Mask(window, pixels)).tolist()}


def test_an_outline_runs_through_the_outermost_pixels() -> None:
    assert outline(".....", ".###.", ".###.") == {(11, 21), (13, 21), (13, 22), (11, 22)}


def test_of_several_parts_the_one_with_most_corners_is_outlined() -> None:
    assert outline("##......", "##...#..", "....###.", ".....#..") == {
        (15, 21), (14, 22), (15, 23), (16, 22),
    }  # fmt: skip


def test_holes_are_lost() -> None:
    assert outline("###", "#.#", "###") == {(10, 20), (12, 20), (12, 22), (10, 22)}


def test_points_of_a_coarse_mask_lie_in_the_middle_of_its_cells() -> None:
    assert outline("....", ".##.", ".##.", step=4) == {
        (15.5, 25.5), (19.5, 25.5), (19.5, 29.5), (15.5, 29.5),
    }  # fmt: skip


def test_an_empty_mask_has_no_outline() -> None:
    assert outline("..", "..") == set()


def test_a_crowd_of_noise_is_outlined_with_fewer_corners() -> None:
    comb = np.zeros((3, 999), np.bool_)
    comb[1:] = comb[:, ::4] = True
    noise = masks.Mask(masks.Window(0, 0, 999, 3), comb)
    whole = outlines.polygons([noise, noise])
    fewer = outlines.polygons([noise, noise], most=100)
    assert min(map(len, whole)) > 400
    assert 90 < sum(map(len, fewer)) <= 102
