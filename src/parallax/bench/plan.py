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
    tell_timeout: bool = False
    """The server hears how long is waited."""
    clients: int = 1
    ceiling_models: list[Path] = []
    """Where the ceiling finds the model."""
    device: str | None = None
    """What the ceiling runs it on; None: as the server would."""


_HIDDEN = "***"

MOST_IN_FLIGHT = 1024
"""Bound of the open loop: more than a server admits, and less than a process may open sockets."""


def loads(concurrency: list[int], rates: list[float]) -> list[Load]:
    """Return the phases in the order in which they are measured."""
    closed = [Load(most) for most in concurrency]
    return closed + [Load(MOST_IN_FLIGHT, rate) for rate in rates]


def command(asked: Plan, model: str, *, ceiling: bool) -> list[str]:
    """Return the words that ask for the same again, of a model; without keys."""
    closed = [str(load.concurrency) for load in asked.loads if load.rate is None]
    opened = [f"{load.rate:.10g}" for load in asked.loads if load.rate is not None]
    given = {
        "--url": asked.url,
        "--model": model,
        "--images": None if asked.images is None else str(asked.images),
        "--api": asked.api,
        "--api-key": _HIDDEN if asked.url is not None and asked.key is not None else None,
        "--concurrency": ",".join(closed),
        "--rate": ",".join(opened),
        "--duration": f"{asked.timing.duration:g}",
        "--warmup": f"{asked.timing.warmup:g}",
        "--timeout": f"{asked.timing.timeout:g}",
        "--clients": str(asked.clients),
    }
    words = ["parallax", "bench"]
    words += [word for name, value in given.items() if value for word in (name, value)]
    words += ["--tell-timeout"] * asked.tell_timeout + ["--ceiling"] * ceiling
    return [*words, "--", *asked.shown_args] if asked.shown_args else words


def client_processes(cpus: int) -> int:
    """Return how many client processes to use: few, because one sends thousands of requests a
    second, and what they take is missing to a server on the same machine."""
    return max(1, min(8, cpus // 4))
