"""Request bodies that come packed (``Content-Encoding: gzip`` or ``deflate``): unpacked while they
are read, in bounded pieces, within the limit of a body that came as it is.

A packed kilobyte may hold a megabyte. So what counts against the limit and against the memory of
all requests is the unpacked size, and nothing more is unpacked once either is used up.
"""

import asyncio
import zlib

from starlette import types

from parallax.contract import errors
from parallax.gateway import budget, problems

PIECE = 1 << 18
"""Most bytes that are unpacked at once."""

_HEADER = b"content-encoding"
_PLAIN = frozenset({b"", b"identity"})
_WINDOWS = {
    b"gzip": 16 + zlib.MAX_WBITS,
    b"x-gzip": 16 + zlib.MAX_WBITS,
    b"deflate": zlib.MAX_WBITS,
}
"""By coding (RFC 9110, section 8.4.1) what zlib calls its format."""


class Unpacker:
    """Middleware: handlers see bodies unpacked. Reading one may raise what ``_Unpacked`` names."""

    def __init__(self, app: types.ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Pass one exchange on."""
        if scope["type"] == "http":
            coding = _coding(scope)
            if coding not in _PLAIN:
                receive = _Unpacked(receive, coding, self._limit).receive
        await self._app(scope, receive, send)


class _Unpacked:
    """The body of one exchange.

    Raises:
        UnsupportedEncodingError: it is packed in a way that is not known.
        InvalidBodyError: it is damaged, breaks off, or goes on after its end.
        BodyTooLargeError: unpacked it is over the limit.
        OverloadedError: the server holds too much for other requests.
    """

    __slots__ = (
        "_begun",
        "_coding",
        "_ended",
        "_inflater",
        "_limit",
        "_more",
        "_packed",
        "_receive",
        "_size",
    )

    def __init__(self, receive: types.Receive, coding: bytes, limit: int) -> None:
        self._receive = receive
        self._coding = coding
        self._limit = limit
        window = _WINDOWS.get(coding)
        self._inflater = None if window is None else zlib.decompressobj(window)
        self._packed: bytes | None = None
        """What has arrived and may hold more; None: all of that is unpacked."""
        self._more = True
        self._begun = False
        self._ended = False
        self._size = 0

    async def receive(self) -> types.Message:
        """Return the next piece of the body, and then what comes after the body."""
        if self._ended:
            return await self._receive()
        if self._inflater is None:
            raise problems.UnsupportedEncodingError(self._coding)
        if self._packed is None:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._packed = message.get("body", b"")
            self._more = message.get("more_body", False)
        piece = await asyncio.to_thread(self._unpack, self._inflater, self._packed)
        self._ended = self._packed is None and not self._more
        self._count(len(piece))
        return {"type": "http.request", "body": piece, "more_body": not self._ended}

    def _unpack(self, inflater: "zlib._Decompress", packed: bytes) -> bytes:
        """Return up to ``PIECE`` bytes, and keep what was left of the packed ones."""
        try:
            piece = inflater.decompress(packed, PIECE)
        except zlib.error as problem:
            raise self._damaged(str(problem)) from problem
        if inflater.unused_data:
            raise self._damaged("it goes on after its end")
        self._begun = self._begun or bool(packed)
        # A full piece may leave more inside of zlib than the packed rest shows.
        self._packed = inflater.unconsumed_tail if len(piece) == PIECE else None
        over = self._packed is None and not self._more
        if over and self._begun and not inflater.eof:
            raise self._damaged("it breaks off")
        return piece

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise errors.BodyTooLargeError(
                f"The request body, unpacked, is larger than the limit of {self._limit} bytes."
            )
        budget.charge(size)

    def _damaged(self, why: str) -> problems.InvalidBodyError:
        return problems.InvalidBodyError(
            f"The body is not valid {self._coding.decode()}, which its Content-Encoding says: {why}"
        )


def _coding(scope: types.Scope) -> bytes:
    """Return all codings of a body, in lower case."""
    return b", ".join(value.strip().lower() for name, value in scope["headers"] if name == _HEADER)
