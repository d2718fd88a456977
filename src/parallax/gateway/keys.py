"""API keys: none are asked for unless the operator names some.

Where a key may stand is the original server's: in the query, else in the header, else in the body.
Keys are compared as digests in constant time, and never logged or repeated.
"""

import hashlib
import hmac
import urllib.parse
from collections.abc import Iterable

import msgspec
from starlette import datastructures, types

from parallax.gateway import bodies, problems

QUERY = "api_key"
SCHEME = "bearer"


class _Keyed(msgspec.Struct):
    api_key: str | None = None


_decoder = msgspec.json.Decoder(_Keyed)


class Guard:
    """Middleware: lets an exchange pass only with one of the keys, or to a path that is open.

    What is open is told by the path as the router sees it and by nothing that a client can bend,
    like a host name.
    """

    def __init__(
        self, app: types.ASGIApp, keys: Iterable[str], open_paths: frozenset[str], patience: float
    ) -> None:
        self._app = app
        self._digests = [_digest(key) for key in keys]
        self._open = open_paths
        self._patience = patience

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Check one exchange.

        Raises:
            UnauthorizedError: there is no key in it, or not one of ours.
        """
        if scope["type"] == "http" and scope["path"] not in self._open:
            key = _in_query(scope) or _in_header(scope)
            if not key:
                body = await bodies.read(receive, self._patience)
                key = _in_body(body)
                receive = _again(body, receive)
                del body
            if not self._is_ours(key):
                raise problems.UnauthorizedError
        await self._app(scope, receive, send)

    def _is_ours(self, key: str) -> bool:
        digest = _digest(key)
        # All are compared, so that the time tells nothing of the place.
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _in_query(scope: types.Scope) -> str:
    text: str = scope["query_string"].decode("latin-1")
    return urllib.parse.parse_qs(text).get(QUERY, [""])[-1]


def _in_header(scope: types.Scope) -> str:
    given = datastructures.Headers(scope=scope).get("authorization", "")
    scheme, _, key = str(given).partition(" ")
    return key.strip() if scheme.lower() == SCHEME else ""


def _in_body(body: bytes) -> str:
    try:
        return _decoder.decode(body).api_key or ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _again(body: bytes, receive: types.Receive) -> types.Receive:
    """Return a receiver that yields a body which was read already, and then what comes next."""
    waiting = [body]

    async def replay() -> types.Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay
