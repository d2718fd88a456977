"""What an api process is told at its start: plain data."""

from dataclasses import dataclass, field

from parallax.broker import keys
from parallax.gateway.edge import tls
from parallax.settings import concerns, key_file
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
    spare_certificate: tls.Pem | None = field(default=None, repr=False)
    """The newest that could be used, for as long as the files cannot be."""
    spare_keys: tuple[key_file.Key, ...] = ()
    """The same of the clients' keys."""

    def identity(self, pid: int) -> str:
        """Return the name of the mailbox of one incarnation: a successor must not get the answers
        to its predecessor's clients."""
        return f"{self.keys.node}:{self.slot}:{self.uuid[:8]}{pid:x}"
