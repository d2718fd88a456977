"""From a path to its route: Starlette's order of precedence, without trying every route in turn.

Most paths hold no parameter, and a request for one of those is a look-up; only the others are
matched as patterns.
"""

from collections.abc import Sequence

from starlette import exceptions, routing, types

from parallax.gateway import problems


class Router(routing.Router):
    """Finds the same route as its base class does. ``default`` answers where there is none."""

    def __init__(self, routes: Sequence[routing.Route], default: types.ASGIApp) -> None:
        # "/info/" is not a page that moved: it does not exist.
        super().__init__(routes, redirect_slashes=False, default=default)
        self._patterns = [route for route in routes if route.param_convertors]
        self._by_path = {
            fixed.path: [
                route for route in routes if route.path == fixed.path or route.param_convertors
            ]
            for fixed in routes
            if not fixed.param_convertors
        }

    async def app(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Hand one exchange to its route; a method that none allows is the first one's to refuse.

        Raises:
            HTTPException: 405, or what ``default`` raises.
        """
        if scope["type"] == "websocket":
            await problems.refusal(scope, exceptions.HTTPException(404))(scope, receive, send)
            return
        if scope["type"] != "http":
            await super().app(scope, receive, send)
            return
        refusing: tuple[routing.Route, types.Scope] | None = None
        for route in self._by_path.get(scope["path"], self._patterns):
            match, found = route.matches(scope)
            if match is routing.Match.FULL:
                scope["route"] = route
                scope.update(found)
                await route.app(scope, receive, send)
                return
            if match is routing.Match.PARTIAL and refusing is None:
                refusing = route, found
        if refusing is None:
            await self.default(scope, receive, send)
            return
        route, found = refusing
        scope["route"] = route
        scope.update(found)
        await route.handle(scope, receive, send)
