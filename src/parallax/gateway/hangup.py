"""Noticing that the client has gone while its answer is being made.

A hang-up shows as an ASGI message, and as nothing else; work for nobody is work taken from
somebody.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette import types

T = TypeVar("T")


class ClientGoneError(Exception):
    """There is nobody left to answer."""


async def watched(receive: types.Receive, work: Awaitable[T]) -> T:
    """Return what ``work`` returns, but cancel it when the client hangs up.

    The request body must have been read to its end: any further message is the disconnect.

    Raises:
        ClientGoneError: the client hung up first.
    """
    handler = asyncio.current_task()
    assert handler is not None  # only a task can wait
    # No task group: it would cost every request more than the watching itself. A failure of this
    # task is raised below.
    watcher = asyncio.create_task(  # noqa: TID251
        _cancel_when_gone(receive, handler), name="hangup-watch"
    )
    try:
        return await work
    except asyncio.CancelledError:
        ended = watcher.done() and not watcher.cancelled()
        if ended and not handler.uncancel():
            watcher.result()
            raise ClientGoneError from None
        raise  # somebody else cancelled as well
    finally:
        watcher.cancel()


async def _cancel_when_gone(receive: types.Receive, handler: asyncio.Task[Any]) -> None:
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    except Exception:
        handler.cancel()
        raise
    handler.cancel()
