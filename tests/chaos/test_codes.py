"""A code survives the way to the server and back, and nothing else passes for it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.chaos import codes

SIZE = (480, 320)
symbols = st.integers(0, codes.EMPTY)
words = st.lists(symbols, min_size=6, max_size=6).map(tuple)


def spelled(code: codes.Code, size: codes.Size = SIZE) -> list[dict[str, Any]]:
    """Return detections in the middle of each cell."""
    wide, tall = size[0] / codes.COLUMNS, size[1] / codes.ROWS
    return [
        {
            "class": codes.SHAPES[symbol],
            "x": (at % codes.COLUMNS + 0.5) * wide,
            "y": (at // codes.COLUMNS + 0.5) * tall,
        }
        for at, symbol in enumerate(code)
        if symbol != codes.EMPTY
    ]


@given(words, st.permutations(range(6)))
def test_what_is_spelled_is_read_in_any_order(code: codes.Code, order: list[int]) -> None:
    found = spelled(code)
    shuffled = [found[at] for at in order if at < len(found)]
    assert codes.read(shuffled, SIZE) == code


def test_codes_differ_in_two_places_at_least() -> None:
    chosen = codes.choose(300, np.random.default_rng(1))
    assert len(set(chosen)) == 300
    for at, one in enumerate(chosen):
        for other in chosen[:at]:
            assert sum(a != b for a, b in zip(one, other, strict=True)) >= 2


@given(st.integers(0, 299), st.integers(0, 5), symbols)
def test_one_misread_shape_never_makes_another_code(which: int, place: int, symbol: int) -> None:
    chosen = codes.choose(300, np.random.default_rng(1))
    spoilt = list(chosen[which])
    spoilt[place] = symbol
    assert tuple(spoilt) == chosen[which] or tuple(spoilt) not in chosen


@pytest.mark.parametrize(
    "surplus",
    [
        {"class": "star", "x": 1.0, "y": 1.0},
        {"class": "satellite", "x": 479.0, "y": 319.0},
        {"class": "star", "x": 481.0, "y": 1.0},
        {"class": "star", "x": -200.0, "y": 1.0},
    ],
)
def test_detections_that_spell_nothing_are_unreadable(surplus: dict[str, Any]) -> None:
    code = (0, 1, 2, 3, 4, codes.EMPTY)
    assert codes.read([*spelled(code), surplus], SIZE) is None
