"""What an api process is told at its start: plain data."""

from dataclasses import dataclass

from parallax.broker import keys
from parallax.settings import concerns
from parallax.slab import layout as layouts


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """What an api process is told at its start."""

    slot: int
    settings: concerns.Settings
    keys: keys.Keys
    broker_url: str
    roster_path: str
    uuid: str
    slab_path: str
    slab_layout: layouts.SlabLayout
    arena: int
    """Where its pictures lie in the slab."""

    def identity(self, pid: int) -> str:
        """Return the name of the mailbox of one incarnation: a successor must not get the answers
        to its predecessor's clients."""
        return f"{self.keys.node}:{self.slot}:{self.uuid[:8]}{pid:x}"
