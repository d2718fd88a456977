"""From settings and models to the processes of this node and the layout of its shared memory.
Pure."""

from dataclasses import dataclass, replace

from parallax.contract import spec
from parallax.engine import device as devices
from parallax.policy import batching
from parallax.settings import concerns
from parallax.slab import layout as layouts

INPUT_ROOM = 1920 * 1920 * 3
"""Bytes that a tensor slot is laid out with at least, for models that come later. Laid out is not
allocated: see ``slab.file``."""

OUTPUT_ROOM = 8 << 20
"""The same for the outputs of one item; larger ones travel through the broker."""

PICTURE_BYTES = 512 << 10
"""Bytes of a slot for an encoded picture: most of what cameras send. Larger ones, which take long
to decode anyway, travel through the broker."""

PICTURE_SHARE = 0.25
"""Part of the shared-memory directory that encoded pictures may fill at most."""

MIN_SLOTS = 8
"""Tensors a pre worker may have under way at least: two in hand, the rest waiting for the
device."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many processes of each kind, and where in the slab each has its place.

    Arena and board row ``i`` belong to pre worker ``i``; those of the inference loops follow, then
    the arenas of the api processes and the board rows of the post workers.
    """

    cpu_workers: int
    devices: tuple[devices.Device, ...]
    runs: int
    cores: int
    """CPUs that this process may use."""
    slab: layouts.SlabLayout
    needed: tuple[int, ...] = ()
    """Bytes of a slot of each arena that the models need at the start."""

    def reservation(self, inputs: int, outputs: int) -> tuple[int, ...]:
        """Return the bytes per slot of each arena that tensors and outputs of these sizes need."""
        # An array that is larger than its slot travels through the broker.
        outputs = min(outputs, self.slab.arenas[self.infer(0)].slot_bytes)
        # Those of the api processes are allocated as they are written.
        apis = len(self.slab.arenas) - self.api(0)
        return (inputs,) * self.cpu_workers + (outputs,) * len(self.devices) + (0,) * apis

    def pre(self, slot: int) -> int:
        """Return the arena and board row of a pre worker."""
        return slot

    def infer(self, slot: int) -> int:
        """Return the arena and board row of an inference loop."""
        return self.cpu_workers + slot

    def api(self, slot: int) -> int:
        """Return the arena of an api process."""
        return self.cpu_workers + len(self.devices) + slot

    def post(self, slot: int) -> int:
        """Return the board row of a post worker."""
        return self.cpu_workers + len(self.devices) + slot


def make(
    settings: concerns.Settings,
    models: tuple[spec.ModelSpec, ...],
    cpus: int,
    shm_bytes: int = 1 << 40,
) -> Plan:
    """Lay the node out, on so many CPUs that this process may use and so large a directory for
    shared memory."""
    workers = settings.workers.cpu_workers or cpus
    chosen = devices.choose(settings.workers.devices)
    accelerated = any(device.batches for device in chosen)
    runs = settings.workers.runs or (2 if accelerated else cpus)
    batched = settings.batching.max_batch if accelerated else settings.batching.cpu_max_batch
    largest_batch = max((batched, *(_batch(model, accelerated) for model in models)))
    # Two batches per run slot over all pre workers keep the device fed while the next is decoded.
    needed = -(-2 * runs * largest_batch * len(chosen) // workers)
    slots = settings.slab.slots or max(MIN_SLOTS, needed)
    tensor = max((model.input.nbytes for model in models), default=0)
    outputs = max((model.output_bytes for model in models), default=0)
    arenas = [layouts.ArenaLayout(slots, max(tensor, INPUT_ROOM))] * workers
    arenas += [layouts.ArenaLayout(4 * runs * largest_batch, max(outputs, OUTPUT_ROOM))] * len(
        chosen
    )
    arenas += [_pictures(settings, shm_bytes)] * settings.http.api_workers
    rows = 2 * workers + len(chosen)
    ids = max(layouts.MIN_BOARD_IDS, runs * max(largest_batch, batching.IN_TURN))
    made = Plan(workers, chosen, runs, cpus, layouts.SlabLayout(tuple(arenas), rows, ids))
    return replace(made, needed=made.reservation(tensor, outputs))


def _pictures(settings: concerns.Settings, shm_bytes: int) -> layouts.ArenaLayout:
    """Return the arena of an api process: empty where workers of other nodes take its requests."""
    if settings.broker.redis_url is not None:
        return layouts.ArenaLayout(0, PICTURE_BYTES)
    share = PICTURE_SHARE * shm_bytes / settings.http.api_workers
    room = min(settings.slab.pictures, int(share))
    return layouts.ArenaLayout(room // PICTURE_BYTES, PICTURE_BYTES)


def _batch(model: spec.ModelSpec, accelerated: bool) -> int:
    return model.batch.fixed_size or (model.batch.max_size if accelerated else 1)
