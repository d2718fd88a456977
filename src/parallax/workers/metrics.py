"""What the inference loop counts; the api's /metrics adds all processes up."""

from prometheus_client import Counter, Histogram

BATCH_SIZE = Histogram(
    "parallax_batch_size",
    "Items per batch.",
    ["model"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
BATCH_SECONDS = Histogram(
    "parallax_batch_seconds",
    "Seconds a batch took on the device.",
    ["model"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
MODEL_LOADS = Counter(
    "parallax_model_loads", "Versions of models loaded on a device.", ["model", "outcome"]
)
MODEL_LOAD_SECONDS = Histogram(
    "parallax_model_load_seconds",
    "Seconds that loading and warming a model took.",
    ["model"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
BATCHES = Counter(
    "parallax_batches", "Batches by the reason for which they left.", ["model", "reason"]
)
