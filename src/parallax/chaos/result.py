"""What a run of chaos found, as it is printed and written."""

import msgspec

from parallax.chaos import ledger

FORMAT = 1


class FaultFound(msgspec.Struct, frozen=True):
    """A fault and how the server came out of it."""

    name: str
    at_s: float
    """From the beginning of the load."""
    note: str
    """What it met."""
    right_after_s: float | None = None
    """Until the first right answer to a request that was sent after the fault; None: there was
    none."""
    ready_after_s: float | None = None
    """Until all processes were ready; None: they were not in time."""


class Grown(msgspec.Struct, frozen=True):
    """A process that lived all the time."""

    process: str
    files: int
    more_files: int
    memory_mb: float
    mb_per_minute: float


class Report(msgspec.Struct, frozen=True):
    """All of it."""

    format: int
    parallax: str
    started: str
    """Time of day, ISO 8601."""
    seed: int
    faults: list[str]
    minutes: float
    """That the load lasted."""
    clients: int
    rate: float
    """Requests per second that were aimed at."""
    pictures: int
    requests: ledger.Totals
    suffered: list[FaultFound]
    skipped: dict[str, str]
    """Faults that could not be done, and why."""
    lasting: list[Grown]
    run_files: int
    """Files more in the run directory than before."""
    replies_dropped: float
    """Replies to nobody that the server discarded: of requests that were cut, given up, or done by
    two workers."""
    leaks: list[str]
    troubles: list[str] = []
    """What else must not be: a fault that the server did not get over, a bad end."""
    interrupted: bool = False

    @property
    def failures(self) -> list[str]:
        """All that must not be; a sound server leaves none."""
        return [*self.requests.spoilt, *self.leaks, *self.troubles]
