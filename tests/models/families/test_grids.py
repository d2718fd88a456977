"""Cells are counted and ordered as dense heads have them."""

import pytest

from parallax.models.families import grids


def test_cells_are_counted_over_all_strides() -> None:
    assert grids.anchor_count((640, 640)) == 8400
    assert grids.anchor_count((416, 416)) == 3549
    assert grids.anchor_count((320, 256)) == 1680
    assert grids.anchor_count((1280, 1280), grids.LARGE_STRIDES) == 34000


def test_cells_go_row_by_row_from_the_finest_stride() -> None:
    grid, strides = grids.cells((64, 32))
    assert grid[:9].tolist() == [[x, 0] for x in range(8)] + [[0, 1]]
    assert strides[:, 0].tolist() == [8] * 32 + [16] * 8 + [32] * 2


def test_cells_cannot_be_written_into() -> None:
    grid, _ = grids.cells((64, 64))
    with pytest.raises(ValueError, match="read-only"):
        grid[0] = 1


@pytest.mark.parametrize(
    ("rows", "dense"),
    [
        (8400, True),
        (25200, True),
        (8500, True),
        (25500, True),
        (34000, True),
        (300, False),
        (8399, False),
    ],
)
def test_dense_numbers_of_rows(rows: int, dense: bool) -> None:
    assert grids.is_dense((640, 640), rows) is dense
