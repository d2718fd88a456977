"""What a worker process is told at its start: plain data, small, made by the supervisor."""

from dataclasses import dataclass

from parallax.broker import keys
from parallax.contract import topology
from parallax.contract.decoding import Decoding
from parallax.slab import layout as layouts


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """One worker slot's place in the node."""

    stage: topology.Stage
    slot: int
    keys: keys.Keys
    broker_url: str
    roster_path: str
    """File that says which models there are (``aio.rosters``)."""
    slab_path: str
    slab_layout: layouts.SlabLayout
    arena: int | None
    """Index of the slot's arena; None for a stage that produces no tensors."""
    board_row: int
    max_losses: int
    stuck_timeout: float
    """Seconds that a run of an inference loop may take at most."""
    lease_ms: int
    max_pixels: int
    decoding: Decoding
    log_level: str
    device: str = "cpu"
    """For an inference loop: where it runs."""
    runs: int = 1
    """For an inference loop: runs in flight at a time."""
    cores: int = 1
    """For an inference loop on a CPU: those that a run may take when it is alone."""
    run_threads: int = 1
    """For an inference loop on a CPU: threads of each run."""
    cpu_max_batch: int = 1
    """For an inference loop on a CPU: items in one run at most."""
    provider: str = "auto"
    """For an inference loop on an accelerator: what runs the graphs there."""
    cache_dir: str | None = None
    """For an inference loop: where a provider keeps what it builds."""
