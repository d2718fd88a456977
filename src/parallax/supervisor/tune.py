"""``--auto-tune``: measures before the start what the settings leave open, and chooses it.

It never stops a server that would start without it: what cannot be measured keeps its default. Only
a file that could not take the choice ends the start, before anything is measured.
"""

import logging
import time
from collections.abc import Collection, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from parallax.contract import spec
from parallax.engine import device as devices
from parallax.policy import tuning
from parallax.settings import amend, concerns, fields, machine, sources
from parallax.supervisor import announce, model_keeper, prepare
from parallax.supervisor import child as children

log = logging.getLogger(__name__)

SECONDS = 6.0
"""For all measurements together."""

PATIENCE = 30.0
"""Seconds until the process that measures is given up; it has to load the networks too."""

MOST_MODELS = 3
"""That are measured: the first ones."""


class Tuner:
    """Chooses the settings that nobody has set."""

    def __init__(self, explicit: Collection[str]) -> None:
        """``explicit`` are the keys of the settings that somebody has set anywhere."""
        self._explicit = frozenset(explicit)

    async def __call__(
        self, settings: concerns.Settings, say: announce.Announcer
    ) -> concerns.Settings:
        """Return the settings with the choice in them, and say what it is and why.

        Raises:
            SettingsError: the file to save it to cannot be read, understood or written.
            StartupError: reading the models brought its process down.
        """
        save = settings.workers.auto_tune_save
        if save is not None:
            amend.check(Path(save))
        chosen_devices = devices.choose(settings.workers.devices)
        here = self._place(settings, chosen_devices)
        if not here.open:
            say.line("tune", "nothing to choose: every value is set")
            return settings
        started = time.monotonic()
        models = model_keeper.at_start(await prepare.read_all(settings)).serving()
        measured = await _measured(models[:MOST_MODELS], settings, here, chosen_devices)
        say.line("tune", summary(len(models), measured, here, time.monotonic() - started))
        if not measured:
            return settings
        choices = tuning.choose(measured, here)
        for choice in choices:
            say.line("tune", f"{fields.BY_KEY[choice.key].flag} {choice.value}: {choice.why}")
        values = {choice.key: choice.value for choice in choices}
        if save is not None:
            amend.write(Path(save), values)
            say.line("tune", f"{', '.join(_names(values))} written to {save}")
        return fields.changed(settings, values)

    def _place(self, settings: concerns.Settings, chosen: Sequence[devices.Device]) -> tuning.Place:
        return tuning.Place(
            cores=machine.inspect(sources.environment()).cpus,
            accelerators=sum(device.batches for device in chosen),
            explicit={
                key: fields.BY_KEY[key].value_in(settings)
                for key in tuning.KEYS
                if key in self._explicit
            },
        )


def measure(
    models: tuple[spec.ModelSpec, ...],
    device: str,
    settings: concerns.Settings,
    here: tuning.Place,
    seconds: float,
) -> list[tuning.Measured]:
    """Measure the stages, in a process that ends with that."""
    # Imported here: the supervisor, which stays, has no use for ONNX Runtime.
    from parallax.bench import probe  # noqa: PLC0415
    from parallax.engine import runtime  # noqa: PLC0415

    cache = settings.models.cache_dir
    means = runtime.Means(provider=settings.workers.provider, cache=Path(cache) if cache else None)
    return probe.measure(probe.Request(models, device, means, here, seconds))


async def _measured(
    models: tuple[spec.ModelSpec, ...],
    settings: concerns.Settings,
    here: tuning.Place,
    chosen: Sequence[devices.Device],
) -> list[tuning.Measured]:
    """Return what a process of its own measures of the models, or nothing."""
    device = next((each for each in chosen if each.batches), chosen[0])
    try:
        return await children.call(
            measure, models, str(device), settings, here, SECONDS, patience=PATIENCE
        )
    except BrokenProcessPool:
        log.warning("the process that measured for --auto-tune died")
    except TimeoutError:
        log.warning("measuring for --auto-tune took over %.0f s", PATIENCE)
    return []


def summary(
    count: int,
    measured: Sequence[tuning.Measured],
    here: tuning.Place,
    seconds: float,
) -> str:
    """Say what was measured, of how many models, in what time and on what."""
    if not measured:
        return f"nothing could be measured in {seconds:.1f} s; the defaults stay"
    names = ", ".join(each.model for each in measured)
    of_all = f" of {count} models" if count > len(measured) else ""
    cores = f"{here.cores} core{'s' if here.cores > 1 else ''}"
    place = f"{cores} and {here.accelerators} accelerators" if here.accelerators else cores
    roles = ""
    if len(measured) > 1:
        roles = "; the heaviest decides on runs and batches, the lightest on workers"
    return f"measured {names}{of_all} in {seconds:.1f} s on {place}{roles}"


def _names(values: Collection[str]) -> list[str]:
    return [key.partition(".")[2] for key in values]
