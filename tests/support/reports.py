"""Reports as they come out of a run."""

from typing import Any

import msgspec

from parallax.bench import result

PHASE = result.Phase(
    mode="closed",
    concurrency=8,
    rate=None,
    seconds=3.0,
    sent=300,
    answered=300,
    images_per_s=100.0,
    errors={},
    latency_ms=result.Latency(10.0, 20.0, 30.0, 40.0, 12.0, 50.0),
    curve=[(0.0, 5.0), (0.9999, 50.0)],
    batches={"1": 100, "3-4": 50},
    cpu_ms_per_image={"pre": 4.0, "infer": 6.0},
    client=result.Client(1, 0.2, 0.01, False),
    pss_mb=300.0,
    mean_batch=2.0,
)
CEILING = result.Ceiling(
    125.0,
    "2 processes",
    "infer",
    {"pre": 4.0, "infer": 6.0},
    {"2 processes": 125.0},
    [124.0, 126.0],
)


def phase(**changes: Any) -> result.Phase:
    """Return a phase that differs from the usual one in these fields."""
    return msgspec.structs.replace(PHASE, **changes)


def report(*phases: result.Phase, **changes: Any) -> result.Report:
    """Return a report that differs from the usual one in these fields."""
    usual = result.Report(
        format=result.FORMAT,
        parallax="0.1.0",
        started="2026-11-22T12:00:00+00:00",
        machine=result.Machine(2, "Some CPU", 8000, "Some Linux", "3.11.7"),
        target=result.Target("http://127.0.0.1:9001", "roboflow", "demo", True, ["--max-batch=4"]),
        pictures=result.Pictures(2, 50_000.0, ["640x480", "1280x720"]),
        ceiling=None,
        phases=list(phases) or [PHASE],
    )
    return msgspec.structs.replace(usual, **changes)
