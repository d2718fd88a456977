"""Names of devices: ``cpu`` or ``cuda:N``."""

import re
from dataclasses import dataclass
from pathlib import Path

from parallax.contract import errors


@dataclass(frozen=True, slots=True)
class Device:
    """Where an inference loop runs its models."""

    kind: str
    """``cpu`` or ``cuda``."""
    index: int = 0

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"{self.kind}:{self.index}"

    @property
    def batches(self) -> bool:
        """Whether larger batches are cheaper per item.

        On CPU cores they are not: single-threaded runs of one item each, one per core, were
        measured best.
        """
        return self.kind != "cpu"


def parse(text: str) -> Device:
    """Return the device of that name.

    Raises:
        SettingsError: not ``cpu``, ``cuda`` or ``cuda:N``.
    """
    if text == "cpu":
        return Device("cpu")
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", text)
    if match is None:
        raise errors.SettingsError(f"--devices: {text!r} is not allowed; use cpu or cuda:N")
    return Device("cuda", int(match[1] or 0))


def choose(named: tuple[str, ...], root: Path = Path("/dev")) -> tuple[Device, ...]:
    """Return the named devices, or by default the first CUDA device if there is one, else the CPU.

    Raises:
        SettingsError: a name is malformed or appears twice.
    """
    devices = tuple(parse(name) for name in named)
    if len(set(devices)) != len(devices):
        raise errors.SettingsError(f"--devices: a device is named twice in {', '.join(named)}")
    if devices:
        return devices
    return (Device("cuda"),) if (root / "nvidia0").exists() else (Device("cpu"),)
