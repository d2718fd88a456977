"""What a user asked ``parallax bench`` to do."""

from pathlib import Path
from typing import Literal

import msgspec

Api = Literal["roboflow", "raw", "v2"]


class Load(msgspec.Struct, frozen=True):
    """One phase: closed with so many requests in flight, or open at a rate."""

    concurrency: int
    """Requests in flight; in the open loop the most there may be."""
    rate: float | None = None
    """Requests per second, of all clients together; None makes it a closed loop."""

    def __str__(self) -> str:
        """Return it as a person says it."""
        return f"{self.concurrency} in flight" if self.rate is None else f"{self.rate:g}/s"


class Timing(msgspec.Struct, frozen=True):
    """Seconds."""

    warmup: float
    duration: float
    timeout: float
    """A request that has no answer by then, counted from when it should have left, is an error."""


class Plan(msgspec.Struct, frozen=True):
    """All of it."""

    loads: list[Load]
    timing: Timing
    api: Api = "roboflow"
    url: str | None = None
    """None: a server is started."""
    serve_args: list[str] = []
    shown_args: list[str] = []
    """The same as a report says them: without keys."""
    model: str | None = None
    images: Path | None = None
    key: str | None = None
    clients: int = 1
    ceiling_models: list[Path] = []
    """Where the ceiling finds the model."""
    device: str | None = None
    """What the ceiling runs it on; None: as the server would."""


MOST_IN_FLIGHT = 1024
"""Bound of the open loop: more than a server admits, and less than a process may open sockets."""


def loads(concurrency: list[int], rates: list[float]) -> list[Load]:
    """Return the phases in the order in which they are measured."""
    closed = [Load(most) for most in concurrency]
    return closed + [Load(MOST_IN_FLIGHT, rate) for rate in rates]


def client_processes(cpus: int) -> int:
    """Return how many client processes to use: few, because one sends thousands of requests a
    second, and what they take is missing to a server on the same machine."""
    return max(1, min(8, cpus // 4))
