"""Looks at the folders of models while the server runs, and reads what has changed there.

Looking is polling: it also works on network mounts and bind mounts, where events do not arrive.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from parallax.contract import spec
from parallax.models import signatures
from parallax.policy import settling
from parallax.settings import concerns
from parallax.supervisor import prepare

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks; a change counts when it is the same for as long."""

Take = Callable[[Sequence[spec.Reading], Sequence[str]], None]
"""Takes in what was read, and which places are gone."""


async def first_look(settings: concerns.Settings) -> dict[str, str]:
    """Return the signatures before anything was read; empty if they cannot be had, which reading
    will say better."""
    try:
        return await in_thread(lambda: signatures.scan(_folders(settings)))
    except OSError:
        return {}


def _folders(settings: concerns.Settings) -> list[Path]:
    return [Path(folder) for folder in settings.models.models]


class Watcher:
    """Watches the folders of the settings from a first look on."""

    def __init__(self, settings: concerns.Settings, first: Mapping[str, str], take: Take) -> None:
        self._settings = settings
        self._folders = _folders(settings)
        # Half a period less: two looks that are a period apart must count as such.
        self._settling = settling.Settling(first, EVERY / 2)
        self._take = take
        self._blind = False

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(EVERY)
            seen = await self._look()
            if seen is None:
                continue
            changes = self._settling.look(seen, time.monotonic())
            if changes:
                await self._read(changes)

    async def _look(self) -> dict[str, str] | None:
        """Return the signatures; None while a folder cannot be read."""
        try:
            seen = await in_thread(lambda: signatures.scan(self._folders))
        except OSError as problem:
            if not self._blind:
                log.warning("models are not watched while a folder is away: %s", problem)
            self._blind = True
            return None
        self._blind = False
        return seen

    async def _read(self, changes: settling.Changes) -> None:
        # Not every place holds a model; who takes the readings knows, and says what has changed.
        log.debug("to be read: %s; gone: %s", changes.changed, changes.gone)
        readings = await prepare.read(self._settings, changes.changed) if changes.changed else ()
        # A folder that still has files, but none of a model, holds a package no more.
        read = {reading.place for reading in readings}
        emptied = [path for path in changes.changed if path not in read]
        self._take(readings, (*changes.gone, *emptied))


async def in_thread(work: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return what ``work`` returns, from a thread that holds up no exit.

    A network mount may never answer; the threads of asyncio are waited for at the end.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[dict[str, str]] = loop.create_future()

    def settle(result: dict[str, str] | None, problem: OSError | None) -> None:
        if answer.done():
            return
        if problem is not None:
            answer.set_exception(problem)
        else:
            answer.set_result(result or {})

    def run() -> None:
        try:
            outcome = (work(), None)
        except OSError as problem:
            loop.call_soon_threadsafe(settle, None, problem)
        else:
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="look at models", daemon=True).start()
    return await answer
