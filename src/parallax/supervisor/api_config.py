"""What an api process is told at its start: plain data."""

from dataclasses import dataclass

from parallax.broker import keys
from parallax.settings import concerns


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """What an api process is told at its start."""

    slot: int
    settings: concerns.Settings
    keys: keys.Keys
    broker_url: str
    roster_path: str
    uuid: str
