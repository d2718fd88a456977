"""Whether a model that comes later fits the shared memory that was laid out at the start.

Slots are laid out larger than the first models need; their pages are only allocated when a model
needs them, so that head-room costs addresses and not memory, and a full tmpfs is the refusal of a
model and not a crash in the middle of a request.
"""

from msgspec import structs

from parallax.contract import spec
from parallax.slab import file as files
from parallax.supervisor import plan as plans


class Room:
    """The node's shared memory, as far as models need it."""

    def __init__(self, plan: plans.Plan, file: files.SlabFile) -> None:
        self._plan = plan
        self._file = file

    def admit(self, model: spec.ModelSpec) -> tuple[spec.ModelSpec, str]:
        """Allocate what a model needs.

        Returns:
            The model as it can be served (where its large outputs have no room, the broker carries
            them), and why it cannot be served; empty if it can.
        """
        plan = self._plan
        slot = plan.slab.arenas[plan.pre(0)].slot_bytes
        if model.input.nbytes > slot:
            size = f"{model.input.width}x{model.input.height}"
            return model, (
                f"needs a restart: its input of {size} takes {model.input.nbytes} bytes, and the "
                f"slots that were laid out at the start have {slot}"
            )
        if not self._file.reserve(plan.reservation(model.input.nbytes, 0)):
            return model, (
                "shared memory is too small for its input beside the rest; "
                "enlarge it (docker run --shm-size=1g)"
            )
        if model.output_bytes and not self._file.reserve(plan.reservation(0, model.output_bytes)):
            model = structs.replace(model, output_bytes=0)
        return model, ""
