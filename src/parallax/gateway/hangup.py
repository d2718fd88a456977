"""Noticing that the client has gone while its answer is being made.

A hang-up shows as an ASGI message, and as nothing else; work for nobody is work taken from
somebody.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette import types

from parallax.contract import errors

T = TypeVar("T")


class ClientGoneError(Exception):
    """There is nobody left to answer."""


async def watched(receive: types.Receive, work: Awaitable[T]) -> T:
    """Return what ``work`` returns, but cancel it when the client hangs up.

    The request body must have been read to its end: any further message is the disconnect.

    Raises:
        ClientGoneError: the client hung up first.
    """
    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(_until_gone(receive), name="hangup-watch")
            try:
                return await work
            except errors.ParallaxError as problem:
                failure = problem  # raised outside the group, which would wrap it
            finally:
                watcher.cancel()
    except BaseExceptionGroup as several:
        if several.subgroup(ClientGoneError) is not None:
            raise ClientGoneError from None
        raise
    raise failure


async def _until_gone(receive: types.Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
