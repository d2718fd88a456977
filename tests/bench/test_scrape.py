"""Differences of counters, from texts that the real exporter wrote."""

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.bench import scrape

LIMITS = (1, 2, 4, 8)
SIZES = st.lists(st.integers(1, 12), max_size=50)


def text(sizes: list[int], model: str = "demo") -> str:
    registry = prometheus_client.CollectorRegistry()
    batch = prometheus_client.Histogram(
        "parallax_batch_size", "Items.", ["model"], buckets=LIMITS, registry=registry
    )
    stage = prometheus_client.Histogram(
        "parallax_stage_seconds", "Time.", ["model", "stage"], registry=registry
    )
    for size in sizes:
        batch.labels(model).observe(size)
        stage.labels(model, "pre").observe(size / 1000)
    return prometheus_client.generate_latest(registry).decode()


@given(SIZES, SIZES)
def test_what_ran_between_two_looks_is_their_difference(before: list[int], more: list[int]) -> None:
    looks = scrape.read(text(before), {"demo"}), scrape.read(text(before + more), {"demo"})
    assert sum(scrape.batches(*looks).values()) == len(more)
    assert scrape.batches(*looks).get("1", 0) == more.count(1)
    mean = scrape.mean_batch(*looks)
    assert mean == (pytest.approx(sum(more) / len(more)) if more else None)
    assert scrape.stage_ms(*looks) == ({"pre": pytest.approx(mean)} if more else {})


def test_sizes_that_share_a_bucket_are_a_range() -> None:
    looks = scrape.Counters(), scrape.read(text([1, 2, 3, 4, 4, 9]), {"demo"})
    assert scrape.batches(*looks) == {"1": 1, "2": 1, "3-4": 3, "9+": 1}


def test_other_models_do_not_count() -> None:
    assert scrape.read(text([1, 2], "other"), {"demo", "alias"}) == scrape.Counters()


@pytest.mark.parametrize("other", ["", "<html>", "parallax_batch_size{"])
def test_a_text_that_is_no_metrics_holds_nothing(other: str) -> None:
    assert scrape.read(other, {"demo"}).batches == {}
