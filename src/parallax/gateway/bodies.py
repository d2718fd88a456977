"""Reading request bodies within a size and a time, and answering before a body has been read.

The second half is about a trap: an answer sent while the client is still sending closes the
connection with bytes unread, and TCP then resets it, often before the client has read the answer;
and hypercorn waits for ever for room in the queue of a handler that no longer reads. So an early
answer is sent whole, and then what still arrives is thrown away for a moment before the exchange
ends.
"""

import asyncio

from starlette import types

from parallax.contract import errors
from parallax.gateway import budget, hangup, headers, problems

LINGER = 1.0
"""Seconds for which the rest of an unwanted body is thrown away."""
_BODILESS = frozenset({"GET", "HEAD"})
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


async def read(receive: types.Receive, patience: float) -> bytes:
    """Return the whole request body.

    Raises:
        SlowBodyError: it was not complete within ``patience`` seconds.
        ClientGoneError: the client hung up.
        BodyTooLargeError: it is over the limit (raised by ``BodyGuard``).
    """
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(patience):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise hangup.ClientGoneError
                chunk = message.get("body", b"")
                if chunk:
                    chunks.append(chunk)
                if not message.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except TimeoutError:
        raise problems.SlowBodyError(
            "The request body did not arrive within the request timeout."
        ) from None


class BodyGuard:
    """Middleware: limits request bodies, one and all together, and ends exchanges whose body was
    not read."""

    def __init__(self, app: types.ASGIApp, limit: int, total: int) -> None:
        self._app = app
        self._limit = limit
        self._budget = budget.Budget(max(limit, total))

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Guard one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._budget.exchange() as account:
            if not _has_no_body(scope):
                guarded = _Exchange(receive, send, self._limit, _declared_length(scope), account)
                receive, send = guarded.receive, guarded.send
            await self._app(scope, receive, send)


class _Exchange:
    __slots__ = (
        "_account",
        "_declared",
        "_ended",
        "_limit",
        "_receive",
        "_received",
        "_send",
    )

    def __init__(
        self,
        receive: types.Receive,
        send: types.Send,
        limit: int,
        declared: int,
        account: budget.Account,
    ) -> None:
        self._account = account
        self._receive = receive
        self._send = send
        self._limit = limit
        self._declared = declared
        self._received = 0
        self._ended = False

    async def receive(self) -> types.Message:
        if self._declared > self._limit:
            raise self._too_large()
        message = await self._next()
        size = len(message.get("body", b""))
        self._received += size
        if self._received > self._limit:
            raise self._too_large()
        self._account.charge(size)
        return message

    async def send(self, message: types.Message) -> None:
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if self._ended or not last:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        async with asyncio.TaskGroup() as group:
            # It also runs while the end is sent: hypercorn then needs room in the queue once more.
            discarding = group.create_task(self._discard(), name="body-discard")
            await asyncio.wait({discarding}, timeout=LINGER)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            discarding.cancel()

    async def _next(self) -> types.Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._ended = True
        return message

    async def _discard(self) -> None:
        while not self._ended:
            await self._next()

    def _too_large(self) -> errors.BodyTooLargeError:
        return errors.BodyTooLargeError(
            f"The request body is larger than the limit of {self._limit} bytes."
        )


def _has_no_body(scope: types.Scope) -> bool:
    # From HTTP/2 on a body is not announced by headers.
    if scope["method"] not in _BODILESS or not scope["http_version"].startswith("1"):
        return False
    return not any(name in _BODY_HEADERS for name, _ in scope["headers"])


def _declared_length(scope: types.Scope) -> int:
    value = headers.find(scope, b"content-length")
    return int(value) if value is not None and value.isdigit() else 0
