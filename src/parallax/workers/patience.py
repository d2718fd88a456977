"""How long a worker puts up with a broker that is away.

Every operation that moves an entry may be tried again safely: the ownership check makes a second
execution a no-op. A worker that has waited too long exits; its supervisor starts another, which
finds the pending entries given back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from parallax.contract import errors

T = TypeVar("T")


class Patience:
    """Retries what the broker could not do, with growing pauses, for up to ``limit`` seconds (by
    default ``LIMIT``)."""

    LIMIT = 15.0
    FIRST_PAUSE = 0.02
    LONGEST_PAUSE = 0.5

    def __init__(
        self, limit: float | None = None, giving_up: Callable[[], bool] = lambda: False
    ) -> None:
        self.retried = False
        """Whether the attempt that succeeded was not the first: an earlier one may have been
        carried out with its answer lost."""
        self._giving_up = giving_up
        self._until = time.monotonic() + (self.LIMIT if limit is None else limit)
        self._pause = self.FIRST_PAUSE

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns, blocking between the tries."""
        while True:
            try:
                return attempt()
            except errors.BrokerUnavailableError:
                pause = self._next_pause()
                if pause is None:
                    raise
                time.sleep(pause)

    async def acall(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what ``attempt`` returns, awaiting between the tries."""
        while True:
            try:
                return await attempt()
            except errors.BrokerUnavailableError:
                pause = self._next_pause()
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    def _next_pause(self) -> float | None:
        if time.monotonic() >= self._until or self._giving_up():
            return None
        self.retried = True
        pause, self._pause = self._pause, min(self._pause * 2, self.LONGEST_PAUSE)
        return pause
