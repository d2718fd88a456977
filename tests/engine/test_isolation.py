"""A batch in which some items fail: only they do."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parallax.engine import isolation
from parallax.engine import session as sessions

Execute = Callable[[Sequence[NDArray[np.uint8]]], sessions.Outputs]


class PoisonError(Exception):
    """What an engine of a test fails with."""


def tensors(count: int) -> list[NDArray[np.uint8]]:
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


def engine(
    guilty: frozenset[int] = frozenset(), fits: int = 1000, seen: list[int] | None = None
) -> Execute:
    """Return a network that answers each picture's first pixel, twice."""

    def execute(batch: Sequence[NDArray[np.uint8]]) -> sessions.Outputs:
        if seen is not None:
            seen.append(len(batch))
        if len(batch) > fits:
            raise sessions.OutOfDeviceMemoryError("full")
        values = np.array([tensor[0, 0, 0] for tensor in batch])
        if guilty & set(values.tolist()):
            raise PoisonError
        return [values.astype(np.float32), values[:, np.newaxis] * 2]

    return execute


def values(outcome: isolation.Outcome) -> list[float | None]:
    return [None if isinstance(item, Exception) else float(item[0]) for item in outcome.items]


@given(count=st.integers(1, 33), guilty=st.frozensets(st.integers(0, 32)))
def test_exactly_the_guilty_fail_and_the_rest_keep_their_own_outputs(
    count: int, guilty: frozenset[int]
) -> None:
    outcome = isolation.run(engine(guilty), tensors(count), 99)

    assert values(outcome) == [None if number in guilty else number for number in range(count)]
    assert outcome.memory_cap is None


@given(count=st.integers(1, 33), most=st.integers(1, 8), guilty=st.frozensets(st.integers(0, 32)))
def test_no_more_run_at_a_time_than_may(count: int, most: int, guilty: frozenset[int]) -> None:
    seen: list[int] = []
    outcome = isolation.run(engine(guilty, seen=seen), tensors(count), most)

    assert values(outcome) == [None if number in guilty else number for number in range(count)]
    assert max(seen) <= most


@given(count=st.integers(1, 33), fits=st.integers(1, 33))
def test_a_batch_that_does_not_fit_is_halved_until_it_does(count: int, fits: int) -> None:
    outcome = isolation.run(engine(fits=fits), tensors(count), 99)

    assert values(outcome) == list(range(count))
    if count <= fits:
        assert outcome.memory_cap is None
    else:
        assert outcome.memory_cap is not None
        assert fits // 2 <= outcome.memory_cap <= fits


def test_one_guilty_of_eight_costs_few_runs() -> None:
    seen: list[int] = []

    isolation.run(engine(frozenset({5}), seen=seen), tensors(8), 99)

    assert seen == [8, 4, 4, 2, 1, 1, 2]


def test_an_item_that_fits_nowhere_fails_alone() -> None:
    outcome = isolation.run(engine(fits=0), tensors(1), 99)

    assert isinstance(outcome.items[0], sessions.OutOfDeviceMemoryError)


def test_a_poisoned_item_in_a_batch_that_does_not_fit_is_still_found() -> None:
    outcome = isolation.run(engine(frozenset({3}), fits=2), tensors(8), 99)

    assert values(outcome) == [0, 1, 2, None, 4, 5, 6, 7]
    assert outcome.memory_cap == 2


def test_a_failure_that_is_no_ordinary_exception_is_not_swallowed() -> None:
    def execute(_: Sequence[NDArray[np.uint8]]) -> sessions.Outputs:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolation.run(execute, tensors(2), 99)
