"""Offsets: whatever the sizes, nothing overlaps and everything is inside the file."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from parallax.slab import layout as layouts

arenas = st.lists(
    st.builds(layouts.ArenaLayout, st.integers(1, 20), st.integers(1, 3 * layouts.PAGE)),
    min_size=1,
    max_size=6,
)


@given(arenas=arenas, rows=st.integers(0, 9), ids=st.integers(1, 500))
def test_regions_follow_each_other_without_overlap(
    arenas: list[layouts.ArenaLayout], rows: int, ids: int
) -> None:
    layout = layouts.SlabLayout(tuple(arenas), rows, ids)
    headers = (0, layout.total_slots * layouts.SLOT_HEADER.itemsize)
    board = (layout.board_offset, layout.board_offset + rows * layouts.board_row(ids).itemsize)
    slots = [
        (layout.slot_offset(arena, slot), layout.slot_offset(arena, slot) + each.slot_bytes)
        for arena, each in enumerate(arenas)
        for slot in range(each.slots)
    ]

    regions = [headers, board, *slots, (layout.size, layout.size)]

    assert all(first[1] <= second[0] for first, second in pairwise(regions))
    assert all(start % layouts.PAGE == 0 for start, _ in regions)


@given(arenas=arenas)
def test_every_slot_has_a_header_of_its_own(arenas: list[layouts.ArenaLayout]) -> None:
    layout = layouts.SlabLayout(tuple(arenas), 1)

    numbers = [
        layout.first_slot(arena) + slot
        for arena, each in enumerate(arenas)
        for slot in range(each.slots)
    ]

    assert numbers == list(range(layout.total_slots))


def test_no_huge_number_overflows() -> None:
    layout = layouts.SlabLayout((layouts.ArenaLayout(1 << 20, 1 << 40),), 1)

    assert layout.size > 1 << 60
