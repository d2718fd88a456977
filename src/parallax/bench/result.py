"""What a benchmark found: written as JSON, drawn as a page, compared with another run.

The measuring, the table, the page and the comparison know each other through these types alone.
"""

from typing import Literal

import msgspec

FORMAT = 1
"""Raised when a report of before can no longer be read or compared."""

Mode = Literal["closed", "open"]


class Machine(msgspec.Struct, frozen=True):
    """The machine that the clients ran on; also the server's if it was reached by loopback."""

    cpus: int
    """Cores that this process may use."""
    cpu_model: str
    memory_mb: int
    os: str
    python: str


class Target(msgspec.Struct, frozen=True):
    """What was asked."""

    url: str
    api: str
    model: str
    started_here: bool
    serve_args: list[str] = []
    """Options that were handed to ``parallax serve``."""


class Pictures(msgspec.Struct, frozen=True):
    """The pictures that were sent in turn."""

    count: int
    mean_bytes: float
    sizes: list[str]
    """Each size that occurs, as ``WIDTHxHEIGHT``, smallest first."""


class Ceiling(msgspec.Struct, frozen=True):
    """What the machine can do with the stages alone: no HTTP, no broker, nothing in between."""

    images_per_s: float
    arrangement: str
    """Name of the arrangement of processes and threads that was fastest."""
    binds: str
    """The stage that uses most of the machine."""
    stages_ms: dict[str, float]
    """Milliseconds per image on one core, by stage."""
    arrangements: dict[str, float]
    """Images per second by arrangement."""
    runs: list[float]
    """Images per second of each measurement; before the load, and after it."""
    parts: dict[str, float] = {}
    """Images per second of what works side by side, with an accelerator: what the cores can decode
    and answer, and what the device can run."""
    plain_images_per_s: float | None = None
    """What the machine can do of the work that servers commonly do: all pixels decoded, a float
    input made in NumPy, the graph as exported, boxes suppressed in NumPy. None: the model is no
    detector, or not fused."""


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds from the moment a request should have left until its answer was complete."""

    p50: float
    p90: float
    p99: float
    p999: float
    mean: float
    max: float


class Client(msgspec.Struct, frozen=True):
    """What the generator of the load took for itself."""

    processes: int
    cpu_ms_per_image: float
    share_of_cores: float
    """CPU seconds of all client processes over the CPU seconds that all cores had; 0 to 1."""
    fell_behind: bool
    """Requests left later than they should have, so the load was not what was asked for."""
    held: int = 0
    """Requests of an open loop that waited in a client, as many as allowed being in flight."""


class Phase(msgspec.Struct, frozen=True):
    """One load, held for a while. Figures that could not be had are empty or None."""

    mode: Mode
    concurrency: int
    """Requests in flight (closed), or the most that were allowed to be (open)."""
    rate: float | None
    """Requests per second that were asked for (open)."""
    seconds: float
    """Over which images_per_s was taken: the duration, or (open) until the last answer if later."""
    sent: int
    answered: int
    """Answers that are what the API promises; sent less errors."""
    images_per_s: float
    errors: dict[str, int]
    """Count by kind: a status such as ``503``, ``timeout``, ``connection``, ``malformed``."""
    latency_ms: Latency
    """Of the answers that are right; zeros where there are none."""
    curve: list[tuple[float, float]]
    """Quantile and milliseconds, ascending; points crowd towards 0.9999."""
    batches: dict[str, int]
    """How many batches of each size the inference loops ran; a size, or a range as ``3-4``."""
    cpu_ms_per_image: dict[str, float]
    """Milliseconds of CPU per image, by kind of server process."""
    client: Client
    pss_mb: float | None
    """Memory of the server's processes at the end of the phase, shared pages divided."""
    mean_batch: float | None = None
    """Pictures per batch, exactly; ``batches`` may hold ranges."""
    stage_ms: dict[str, float] = {}
    """Mean milliseconds that a picture spent waiting (queue) and in each stage, from /metrics."""
    reasons: dict[str, str] = {}
    """What was said of the first error of a kind, by kind."""
    refusals_ms: Latency | None = None
    """The same as ``latency_ms``, of the answers with status 429 and 503."""


class Report(msgspec.Struct, frozen=True):
    """A run of ``parallax bench``."""

    format: int
    parallax: str
    """Version of the program that measured."""
    started: str
    """ISO 8601."""
    machine: Machine
    target: Target
    pictures: Pictures
    ceiling: Ceiling | None
    phases: list[Phase]
    command: list[str] = []
    """What measures the same again, without keys."""
