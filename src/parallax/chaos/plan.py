"""What a user asked ``parallax chaos`` to do."""

from pathlib import Path

import msgspec

from parallax.chaos import faults

NAMES = (*faults.FAULTS, faults.DRAIN)


class Plan(msgspec.Struct, frozen=True):
    """All of it."""

    minutes: float
    seed: int
    faults: list[str]
    every: float
    """Seconds between the beginnings of two faults at least."""
    clients: int
    rate: float | None
    """Requests per second; None: a part of what the server can do."""
    timeout: float
    """Seconds until a request without an answer is lost."""
    url: str | None = None
    """None: a server is started."""
    pid: int | None = None
    """Of its supervisor; None: as it says."""
    key: str | None = None
    model: str = "demo"
    serve_args: list[str] = []
    shm_dir: Path | None = None
    """Where a server that is started has its shared memory; None: a place is made."""
