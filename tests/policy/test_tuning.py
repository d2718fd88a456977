"""What is chosen from measurements, and what is left as somebody has set it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.policy import tuning

SIZES = list(tuning.CPU_BATCHES)
CPU = tuning.Place(4, 0, {})
GPU = tuning.Place(16, 1, {})

rates = st.floats(0.1, 100_000)
stage_ms = st.floats(0.01, 1000)
cores = st.integers(1, 128)


@st.composite
def places(draw: st.DrawFn) -> tuning.Place:
    count = draw(cores)
    explicit = draw(st.dictionaries(st.sampled_from(tuning.KEYS), st.integers(1, 64)))
    return tuning.Place(count, draw(st.integers(0, 8)), explicit)


@st.composite
def measured(draw: st.DrawFn, here: tuning.Place) -> list[tuning.Measured]:
    return [
        tuning.Measured(
            f"m{index}",
            draw(stage_ms),
            draw(stage_ms),
            {way: draw(rates) for way in tuning.ways(here, SIZES)},
        )
        for index in range(draw(st.integers(1, 3)))
    ]


def chosen(of: list[tuning.Measured], here: tuning.Place) -> dict[str, int]:
    return {choice.key: choice.value for choice in tuning.choose(of, here)}


def one(by_way: Mapping[tuning.Way, float], pre_ms: float = 4.0) -> tuning.Measured:
    return tuning.Measured("m", pre_ms, 0.5, by_way)


@given(data=st.data(), here=places())
def test_counts_are_within_the_cores_and_at_least_one(
    data: st.DataObject, here: tuning.Place
) -> None:
    found = chosen(data.draw(measured(here)), here)

    for key in (tuning.CPU_WORKERS, tuning.API_WORKERS, tuning.RUN_THREADS):
        assert 1 <= found.get(key, 1) <= here.cores
    if not here.accelerators:
        assert 1 <= found.get(tuning.RUNS, 1) <= here.cores
    assert all(value >= 1 for value in found.values())


@given(count=cores)
def test_runs_and_their_threads_take_no_more_than_the_cores(count: int) -> None:
    found = tuning.ways(tuning.Place(count, 0, {}), SIZES)

    assert all(way.runs * way.threads <= count for way in found)
    assert {way.runs for way in found if way.threads == 1} >= {1, min(2, count), count}
    assert tuning.Way(1, count, 8) in found


@given(data=st.data(), here=places())
def test_what_is_set_is_not_chosen(data: st.DataObject, here: tuning.Place) -> None:
    found = chosen(data.draw(measured(here)), here)

    assert not found.keys() & here.explicit.keys()
    assert found.keys() <= set(here.open)


@given(data=st.data(), here=places())
def test_what_is_set_is_tried_in_no_other_way(data: st.DataObject, here: tuning.Place) -> None:
    found = tuning.ways(here, SIZES)

    assert found
    assert len(set(found)) == len(found)
    if tuning.RUNS in here.explicit:
        assert {way.runs for way in found} == {here.explicit[tuning.RUNS]}
    if here.batch_key in here.explicit:
        assert len({way.batch for way in found}) == 1


@given(data=st.data(), fewer=cores, more=cores, accelerators=st.integers(0, 4))
def test_more_cores_never_mean_fewer_workers(
    data: st.DataObject, fewer: int, more: int, accelerators: int
) -> None:
    small, large = (tuning.Place(count, accelerators, {}) for count in sorted((fewer, more)))
    took = data.draw(measured(small))
    few, many = chosen(took, small), chosen(took, large)

    assert few[tuning.CPU_WORKERS] <= many[tuning.CPU_WORKERS]
    assert few[tuning.API_WORKERS] <= many[tuning.API_WORKERS]


@given(data=st.data(), here=places(), times=st.floats(1, 100))
def test_a_slower_network_never_needs_more_workers(
    data: st.DataObject, here: tuning.Place, times: float
) -> None:
    free = replace(here, explicit={})
    (took, *_) = data.draw(measured(free))
    slower = replace(took, rates={way: rate / times for way, rate in took.rates.items()})

    for key in (tuning.CPU_WORKERS, tuning.API_WORKERS):
        assert chosen([slower], free)[key] <= chosen([took], free)[key]


@given(data=st.data(), here=places(), times=st.floats(1, 100))
def test_slower_stages_never_get_fewer_workers(
    data: st.DataObject, here: tuning.Place, times: float
) -> None:
    free = replace(here, explicit={})
    (took, *_) = data.draw(measured(free))
    slower = replace(took, pre_ms=took.pre_ms * times, post_ms=took.post_ms * times)

    assert chosen([slower], free)[tuning.CPU_WORKERS] >= chosen([took], free)[tuning.CPU_WORKERS]


@given(data=st.data(), here=places())
def test_the_way_is_close_to_the_fastest(data: st.DataObject, here: tuning.Place) -> None:
    (took, *_) = data.draw(measured(here))

    assert took.rates[tuning.simplest(took.rates)] >= took.best * (1 - tuning.CLOSE)


@pytest.mark.parametrize(("gain", "batch"), [(1.04, 1), (1.2, 4)])
def test_a_batch_on_a_cpu_has_to_gain_more_than_five_percent(gain: float, batch: int) -> None:
    took = one({tuning.Way(4, 1, 1): 100.0, tuning.Way(4, 1, 4): 100.0 * gain})

    found = chosen([took], CPU)

    assert found[tuning.CPU_BATCH] == batch
    assert found[tuning.RUNS] == 4


def test_an_accelerator_gets_the_smallest_batch_that_is_close_to_the_best() -> None:
    by_batch = {1: 300.0, 2: 550.0, 4: 900.0, 8: 980.0, 16: 1000.0}
    took = one({tuning.Way(2, 1, batch): rate for batch, rate in by_batch.items()})

    assert chosen([took], GPU)[tuning.BATCH] == 8
    assert tuning.RUN_THREADS not in chosen([took], GPU)


def test_a_batch_that_was_not_compared_is_not_chosen_on_an_accelerator() -> None:
    assert tuning.BATCH not in chosen([one({tuning.Way(2, 1, 16): 1000.0})], GPU)


def test_an_accelerator_gets_the_workers_that_keep_it_busy() -> None:
    found = chosen([one({tuning.Way(2, 1, 16): 1000.0})], GPU)

    assert found[tuning.CPU_WORKERS] == 6  # 1000 images/s of 4 ms, busy 70 % of the time
    assert found[tuning.API_WORKERS] == 2


def test_the_heaviest_model_decides_on_the_way_and_the_lightest_on_workers() -> None:
    heavy = one({tuning.Way(4, 1, 1): 5.0, tuning.Way(1, 4, 1): 8.0})
    light = one({tuning.Way(4, 1, 1): 5000.0, tuning.Way(1, 4, 1): 800.0})

    found = chosen([heavy, light], CPU)

    assert (found[tuning.RUNS], found[tuning.RUN_THREADS]) == (1, 4)
    assert found[tuning.CPU_WORKERS] == chosen([light], CPU)[tuning.CPU_WORKERS] == 4


def test_the_default_way_is_tried_first_on_a_cpu() -> None:
    assert tuning.ways(CPU, SIZES)[0] == tuning.Way(4, 1, 1)
    assert tuning.ways(CPU, [1, 2])[-1].batch == 2


def test_a_batch_that_is_set_is_tried_as_far_as_the_model_takes_it() -> None:
    here = replace(GPU, explicit={tuning.BATCH: 12})

    assert {way.batch for way in tuning.ways(here, [1, 2, 4, 8])} == {8}
    assert {way.batch for way in tuning.ways(here, [32])} == {32}
