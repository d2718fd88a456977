"""API keys: none are asked for unless the operator names some.

Where a key may stand is the original server's: in the query, else in the header, else in the body.
Keys are compared as digests in constant time, and never logged or repeated.
"""

import urllib.parse
from collections.abc import Callable

import msgspec
from starlette import datastructures, types

from parallax.gateway import bodies, callers, keyring, metrics, problems
from parallax.policy import quota

QUERY = "api_key"
SCHEME = "bearer"


class _Keyed(msgspec.Struct):
    api_key: str | None = None


_decoder = msgspec.json.Decoder(_Keyed)


class Guard:
    """Middleware: lets an exchange pass only with one of the keys, or to a path that is open.

    What is open, and what is for admins, is told by the path as the router sees it and by nothing
    that a client can bend, like a host name.
    """

    def __init__(
        self,
        app: types.ASGIApp,
        ring: keyring.Keyring,
        open_paths: frozenset[str],
        admin_paths: frozenset[str],
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._ring = ring
        self._open = open_paths
        self._for_admins = admin_paths
        self._patience = patience
        self._clock = clock

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Check one exchange.

        Raises:
            UnauthorizedError: there is no key in it, or not one of ours.
            ForbiddenError: this key opens other paths only.
            QuotaExceededError: there is too much in flight for this key.
        """
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        key = _in_query(scope) or _in_header(scope)
        if not key:
            body = await bodies.read(receive, self._patience)
            key = _in_body(body)
            receive = _again(body, receive)
            del body
        holder = self._ring.find(key)
        if holder is None:
            metrics.UNAUTHORIZED.inc()
            raise problems.UnauthorizedError
        stay = None if holder.gate is None else quota.Stay(holder.gate)
        callers.admit(scope, holder.caller, stay)
        if scope["path"] in self._for_admins and not holder.caller.admin:
            raise problems.ForbiddenError("This needs a key that may manage the server.")
        try:
            callers.occupy(scope, 1, self._clock())
            await self._app(scope, receive, send)
        finally:
            if stay is not None:
                stay.end(self._clock())


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
