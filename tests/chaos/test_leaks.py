"""What stays is found, and what a healthy server has is not."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.broker.admin import Key
from parallax.chaos import leaks
from parallax.chaos.leaks import Look, Process

KEYS = [
    Key("{n}:pre", lasting=True),
    Key("{n}:infer:vm:demo", lasting=True),
    Key("{n}:post:vm", lasting=True),
    Key("{n}:replies:a1", lasting=False, length=3),
    Key("{n}:lease:vm:pre:0", lasting=False),
]
HEALTHY = Look(
    {1: Process("supervisor", 0, 60, 40.0), 2: Process("pre", 0, 16, 40.0)}, 9, keys=KEYS
)


def changed(**fields: Any) -> list[str]:
    return leaks.judge(HEALTHY, msgspec.structs.replace(HEALTHY, **fields))


def test_a_server_that_is_as_before_has_no_leak() -> None:
    assert changed() == []
    successor = {3: Process("pre", 0, 20, 41.0), 1: Process("supervisor", 0, 64, 40.0)}
    assert changed(processes=successor, children=8) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"zombies": ["python 7"]},
        {"strays": ["7 python"]},
        {"children": 10},
        {"held": 1},
        {"run_files": 1 + leaks.MORE_RUN_FILES},
        {"in_flight": 1},
        {"shared": ["parallax-slab-x"]},
        {"keys": [*KEYS, Key("{n}:oops", lasting=True)]},
        {"keys": [Key("{n}:pre", lasting=True, length=1), *KEYS[1:]]},
        {"keys": [Key("{n}:pre", lasting=True, pending=1), *KEYS[1:]]},
        {"keys": [*KEYS, Key("{n}:dead", lasting=True, length=1)]},
        {"keys": [*KEYS, Key("{n}:replies:a2", lasting=True)]},
        {"processes": {2: Process("pre", 0, 17 + leaks.MORE_FILES, 40.0)}},
    ],
)
def test_each_kind_of_leak_is_found(fields: dict[str, Any]) -> None:
    assert len(changed(**fields)) == 1


def test_dead_letters_that_were_there_before_are_not_ours() -> None:
    before = msgspec.structs.replace(HEALTHY, keys=[*KEYS, Key("{n}:dead", True, length=2)])
    assert leaks.judge(before, before) == []


def test_memory_that_keeps_growing_is_found_and_a_warm_up_is_not() -> None:
    warm = [(float(at), 40.0 + min(at, 3)) for at in range(20)]
    leaking = [(float(at), 40.0 + 10 * at) for at in range(20)]
    assert leaks.swollen({"supervisor:0": warm}) == []
    assert leaks.swollen({"supervisor:0": leaking}) == ["supervisor:0 grew from 40 to 230 MB"]


@given(
    st.floats(-50, 50),
    st.floats(0, 1000),
    st.lists(st.integers(0, 10_000), min_size=3, max_size=30, unique=True),
)
def test_the_slope_of_a_line_is_its_slope(rise: float, start: float, moments: list[int]) -> None:
    samples = [(float(at), start + rise * at) for at in moments]
    assert leaks.slope(samples) == pytest.approx(rise, abs=1e-6)


def test_two_samples_have_no_slope() -> None:
    assert leaks.slope([(0.0, 1.0), (1.0, 2.0)]) == 0.0
