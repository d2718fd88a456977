"""The application of an api process: which path leads to which handler, in which wrapping.

To learn what the server offers, read ``gateway.routes``.
"""

from collections.abc import Iterable

from starlette import applications, exceptions, middleware
from starlette.middleware import cors

from parallax.gateway import (
    bodies,
    context,
    keys,
    openapi,
    operation,
    problems,
    routes,
)
from parallax.gateway import middleware as wrapping
from parallax.gateway.roboflow import reserved

EXPOSED = (
    "Retry-After",
    "Server-Timing",
    "X-Inference-Engine",
    "X-Model-Cold-Start",
    "X-Model-Cold-Start-Count",
    "X-Model-Id",
    "X-Model-Load-Details",
    "X-Model-Load-Time",
    "X-Request-ID",
)
"""Headers that pages of other sites may read."""


def build(api: context.ApiContext) -> applications.Starlette:
    """Return the ASGI application over these parts."""
    served = routes.operations(api)
    app = applications.Starlette(
        routes=[each.route() for each in served],
        middleware=layers(api, served),
        exception_handlers={exceptions.HTTPException: problems.on_http_exception},
    )
    app.state.context = api
    app.state.openapi = openapi.document(served, api.version)
    # "/info/" is not a page that moved: it does not exist.
    app.router.redirect_slashes = False
    app.router.default = reserved.unmatched
    return app


def layers(
    api: context.ApiContext, served: Iterable[operation.Operation]
) -> list[middleware.Middleware]:
    """Return what is around every exchange, outermost first."""
    limits, http = api.settings.limits, api.settings.http
    made = [
        middleware.Middleware(wrapping.Stamp),
        middleware.Middleware(wrapping.Observe, clock=api.clock, log_access=http.access_log),
    ]
    if http.allow_origins:
        made.append(_cors(http.allow_origins))
    made += [
        middleware.Middleware(bodies.BodyGuard, limit=limits.max_body, total=limits.max_buffered),
        middleware.Middleware(wrapping.Problems),
    ]
    if http.api_keys:
        free = frozenset(each.path for each in served if each.open)
        made.append(
            middleware.Middleware(
                keys.Guard, keys=http.api_keys, open_paths=free, patience=limits.timeout
            )
        )
    return made


def _cors(origins: tuple[str, ...]) -> middleware.Middleware:
    # Without credentials: a key is sent by the page, and the server knows no cookie.
    return middleware.Middleware(
        cors.CORSMiddleware,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=EXPOSED,
    )
