"""What the inference loop counts."""

from prometheus_client import REGISTRY

from parallax.workers import metrics


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"model": "counted", **labels}) or 0.0


def test_a_batch_counts_its_items_its_seconds_and_its_reason() -> None:
    metrics.count_batch("counted", "full", 3, 0.5)
    metrics.count_batch("counted", "idle", 1, 0.25)

    assert value("parallax_batch_size_sum") == 4.0
    assert value("parallax_batch_seconds_sum") == 0.75
    assert value("parallax_batches_total", reason="full") == 1.0
    assert value("parallax_batches_total", reason="idle") == 1.0
