"""Waiting for an event that stands for "look again"."""

import asyncio


async def passed(event: asyncio.Event, limit: float | None = None) -> None:
    """Wait until the event is set, at most ``limit`` seconds (None: for ever); then clear it."""
    if limit is None:
        await event.wait()
    else:
        try:
            async with asyncio.timeout(limit):
                await event.wait()
        except TimeoutError:
            pass
    event.clear()
