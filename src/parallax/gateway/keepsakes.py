"""Gives dead letters the picture that this process still has when it hears of the burial.

A picture in the slab is freed when its request ends, and the letter has only a reference to it. So
it is copied before that, and sent slowly: a model that fails on every picture must not fill the
broker's line with pictures that push each other out.
"""

import asyncio
import logging

from parallax.aio import tasks
from parallax.broker import base, letters
from parallax.contract import errors
from parallax.gateway import pending
from parallax.slab import pictures as shelves

log = logging.getLogger(__name__)

MOST_WAITING = 4
"""Pictures that wait to be sent; others are not kept."""
PAUSE = 0.05
"""Seconds between two pictures."""


class Keepsakes:
    """Copies pictures and sends them after their letters."""

    def __init__(self, broker: base.AsyncBroker, shelf: shelves.Pictures) -> None:
        self._broker = broker
        self._shelf = shelf
        self._waiting: asyncio.Queue[letters.Attach] = asyncio.Queue(MOST_WAITING)

    def start(self, crew: tasks.Crew) -> None:
        """Start the task that sends; it lasts as long as the process."""
        crew.start(self._send(), "keepsakes")

    def keep(self, part: pending.Part) -> None:
        """Send the picture of a part to its dead letter, if it has become one.

        To be called before the picture's slot is freed.
        """
        if not part.letter:
            return
        log.warning(
            "picture %d of request %s (X-Request-ID %s) is dead letter %s now (model %s, %s);"
            " parallax dlq show %s",
            part.item,
            part.flight.request,
            part.flight.exchange or "none",
            part.letter,
            part.flight.model,
            part.cause,
            part.letter,
        )
        # What travelled through the broker is in the letter already.
        if part.place is None or self._waiting.full():
            return
        if part.place.shape[0] <= letters.PICTURE_BYTES:
            self._waiting.put_nowait(letters.Attach(part.letter, self._shelf.copy(part.place)))

    async def _send(self) -> None:
        while True:
            try:
                await self._broker.execute(await self._waiting.get())
            except errors.ParallaxError as problem:
                log.debug("a dead letter stays without its picture: %s", problem)
            await asyncio.sleep(PAUSE)
