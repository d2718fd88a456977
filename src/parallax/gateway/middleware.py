"""What happens around every exchange, one concern each, as plain ASGI wrappers.

Outermost first: ``Stamp``, ``Observe``, CORS if it is wanted, ``bodies.BodyGuard``,
``encodings.Unpacker``, ``Problems``, ``keys.Guard`` if there are keys. The mapping of errors is so
far inside that all others see the answer that the client sees.
"""

import logging
from collections.abc import Callable

from starlette import exceptions, types

from parallax.contract import errors
from parallax.gateway import callers, hangup, headers, identifiers, metrics, problems

log = logging.getLogger(__name__)
access = logging.getLogger("parallax.access")

REQUEST_ID = "parallax.request_id"
"""Key in the ASGI scope under which the request id lies."""
CLIENT_GONE = 499
"""Stands in metrics and access log for "no answer, because the client hung up"; never sent."""
UNMATCHED = "none"
_LONGEST_ID = 128
_STAMP = ((b"x-inference-engine", b"parallax"), (b"x-content-type-options", b"nosniff"))
UNKEPT = (*_STAMP, (b"cache-control", b"no-store"))
"""Answers may hold what was asked with a key, so they are kept only where it is said."""

Clock = Callable[[], float]


class Stamp:
    """Gives every exchange an id (the client's, if it sent a usable one), says who answered, and
    tells browsers and caches to take an answer for nothing else than it is."""

    def __init__(self, app: types.ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Stamp one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        scope[REQUEST_ID] = request_id
        identifiers.enter(request_id.decode("ascii"))

        async def stamped(message: types.Message) -> None:
            if message["type"] == "http.response.start":
                sent = message.get("headers", ())
                kept = any(name == b"cache-control" for name, _ in sent)
                message["headers"] = [
                    *sent,
                    (b"x-request-id", request_id),
                    *(_STAMP if kept else UNKEPT),
                ]
            await send(message)

        await self._app(scope, receive, stamped)


class Observe:
    """Counts and times every exchange by route template, and logs it if that is wanted."""

    def __init__(self, app: types.ASGIApp, clock: Clock, log_access: bool) -> None:
        self._app = app
        self._clock = clock
        self._log_access = log_access

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Measure one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock()
        status = CLIENT_GONE

        async def noted(message: types.Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = scope.get("route")
            handler = UNMATCHED if route is None else route.path
            seconds = self._clock() - started
            metrics.observe_http(scope["method"], status, handler, seconds)
            if self._log_access:
                log_access(scope, status, seconds)


def log_access(scope: types.Scope, status: int, seconds: float) -> None:
    """Write the line of one exchange."""
    # The path as sent: decoded it could hold a line break and forge a line of the log. Without the
    # query, which may carry a key.
    path = scope.get("raw_path", b"").decode("ascii", "backslashreplace")
    request_id = scope[REQUEST_ID].decode("ascii")
    name = callers.of(scope).name
    said = f"{request_id} key={name}" if name else request_id
    access.info("%s %s %d %.1f ms %s", scope["method"], path, status, seconds * 1000, said)


class Problems:
    """Turns what a handler raises into the answer of ``problems``; the unexpected is logged."""

    def __init__(self, app: types.ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Run one exchange to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noted(message: types.Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except hangup.ClientGoneError:
            return
        except exceptions.HTTPException as refused:
            if started:
                raise
            await problems.refusal(scope, refused)(scope, receive, send)
        except errors.ParallaxError as named:
            await _report(send, named, started)
        except Exception:
            log.exception("unexpected failure in %s %s", scope["method"], scope["path"])
            await _report(send, errors.InternalError(problems.INTERNAL_MESSAGE), started)


async def _report(send: types.Send, problem: errors.ParallaxError, started: bool) -> None:
    if started:  # too late for another answer: the server cuts the connection
        raise problem
    await respond(send, problem)


async def respond(send: types.Send, problem: errors.ParallaxError) -> None:
    """Send the answer that reports a problem."""
    described, content = problems.answer(problem)
    await send(
        {"type": "http.response.start", "status": problems.status(problem), "headers": described}
    )
    await send({"type": "http.response.body", "body": content})


def request_id_of(scope: types.Scope) -> bytes:
    """Return the id of an exchange: the client's, if it sent a usable one, or a new one."""
    sent = headers.find(scope, b"x-request-id")
    if sent and len(sent) <= _LONGEST_ID and all(0x21 <= byte <= 0x7E for byte in sent):
        return sent
    return identifiers.compact().encode()
