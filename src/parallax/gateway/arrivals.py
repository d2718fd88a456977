"""Requests that have been let in by their headers and are still to take a place.

Until one has been read it counts as if it were in flight. Most are taken off that account by their
endpoint; but what is refused on its way there (no key, too many of a key, no such path) is too, or
a client without a key could keep all others out with requests that cost it nothing.
"""

from collections.abc import Callable

from starlette import types

from parallax.gateway import dispatch

_EXPECTED = "parallax.expected"


class Arrivals:
    """Middleware: sees to it that each expected request arrives, whatever becomes of it.

    ``expects`` says of a method and a path as sent whether they were counted.
    """

    def __init__(
        self,
        app: types.ASGIApp,
        expects: Callable[[bytes, bytes], bool],
        dispatcher: dispatch.Dispatcher,
    ) -> None:
        self._app = app
        self._expects = expects
        self._dispatcher = dispatcher

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Pass one exchange on."""
        if scope["type"] != "http" or not self._expects(
            scope["method"].encode("ascii"), scope.get("raw_path", b"")
        ):
            await self._app(scope, receive, send)
            return
        scope[_EXPECTED] = True
        try:
            await self._app(scope, receive, send)
        finally:
            note(scope, self._dispatcher)


def note(scope: types.Scope, dispatcher: dispatch.Dispatcher) -> None:
    """Note that a request has been read, or that it came to nothing; once for each."""
    if scope.pop(_EXPECTED, False):
        dispatcher.arrived()
