"""The models of a node from the first look at the folders on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parallax.aio import tasks
from parallax.contract import errors, roster
from parallax.policy import shelf as shelves
from parallax.policy import trials
from parallax.settings import concerns
from parallax.supervisor import (
    announce,
    herald,
    model_keeper,
    model_log,
    prepare,
    rollout,
    room,
    watch,
)
from parallax.supervisor.streams import Streams


@dataclass(frozen=True, slots=True)
class Found:
    """What the folders held at the start."""

    looked: Mapping[str, str]
    """Signatures from before the packages were read: what changes meanwhile is seen later."""
    shelf: shelves.Shelf


@dataclass(frozen=True, slots=True)
class Stock:
    """What keeps the models."""

    herald: herald.Herald
    rollout: rollout.Rollout
    keeper: model_keeper.ModelKeeper
    watcher: watch.Watcher | None

    def start(self, crew: tasks.Crew) -> None:
        """Follow changes from now on."""
        crew.start(self.keeper.run(), "keep models")
        if self.watcher:
            crew.start(self.watcher.run(), "watch models")


async def take(settings: concerns.Settings, say: announce.Announcer) -> Found:
    """Read all packages and say what is served.

    Raises:
        StartupError: a package cannot be served; the message names each one and why.
    """
    looked = await watch.first_look(settings)
    readings = await prepare.read_all(settings)
    shelf = model_keeper.at_start(readings)
    refused = [row for row in shelf.rows() if row.state is roster.State.REFUSED]
    if refused:
        raise errors.StartupError("\n".join(f"{row.path}: {row.reason}" for row in refused))
    notes = [note for each in readings if each.place != shelves.DEMO_PLACE for note in each.notes]
    say.models(shelf.serving(), (*notes, *shelf.notes()))
    for each in readings:
        if each.place == shelves.DEMO_PLACE:
            model_log.demo(each)
    return Found(looked, shelf)


def make(
    settings: concerns.Settings, found: Found, path: Path, streams: Streams, space: room.Room
) -> Stock:
    """Put the parts together; ``path`` is where the roster is written for the children."""
    shelf = found.shelf
    crier = herald.Herald(trials.Trials(settings.models.load_timeout))
    first = roster.Roster(0, shelf.serving(), unloaded=shelf.others(), packages=shelf.rows())
    keep = settings.limits.timeout + rollout.KEEP_MARGIN
    rolling = rollout.Rollout(path, crier, streams, first, keep)
    models = model_keeper.ModelKeeper(settings, shelf, rolling, space)
    crier.on_order = models.order
    watcher = watch.Watcher(settings, found.looked, models.take) if settings.models.models else None
    return Stock(crier, rolling, models, watcher)
