"""What arrives on a connection, on its way to the parser."""

import asyncio
from collections.abc import Callable, Iterable
from typing import SupportsIndex

LIMIT = 256 * 1024
"""Bytes that may wait to be parsed; at twice of that the client is made to wait."""


class Inlet(asyncio.StreamReader):
    """A reader that can throw away what is not wanted, where it arrives: no copy is made of it and
    nobody is woken up, so the body of a refused request costs little more than its reception."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LIMIT, loop=loop)
        self._waiting = 0
        """Bytes that have arrived and were not read yet ..."""
        self._stale = 0
        """... and how many of them, from the first on, nobody wants."""
        self._unwanted = 0
        """Bytes that nobody wants and that have not arrived yet."""
        self._thrown: Callable[[], None] = _nothing
        self._deaf = False

    def skip(self, count: int, thrown: Callable[[], None]) -> None:
        """Throw the next ``count`` bytes away, and call ``thrown`` when they have come."""
        self._stale = min(count, self._waiting)
        self._unwanted, self._thrown = count - self._stale, thrown
        if not self._unwanted:
            thrown()

    def close(self) -> None:
        """Throw away whatever comes from now on."""
        self._deaf = True

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Take in what has arrived: bytes."""
        if self._deaf:
            return
        wanted = bytes(data)
        if self._unwanted:
            count = min(self._unwanted, len(wanted))
            self._unwanted -= count
            wanted = wanted[count:]
            if not self._unwanted:
                self._thrown()
        if wanted:
            self._waiting += len(wanted)
            super().feed_data(wanted)

    async def read(self, n: int = -1) -> bytes:
        """Return at most ``n`` bytes as soon as there are any, and none at the end."""
        while True:
            data = await super().read(n)
            self._waiting -= len(data)
            gone = min(self._stale, len(data))
            self._stale -= gone
            if gone < len(data) or not data:
                return data[gone:]


def _nothing() -> None:
    pass
