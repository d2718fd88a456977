"""The application of an api process: which path leads to which handler, in which wrapping.

To learn what the server offers, read ``gateway.routes``.
"""

from collections.abc import Iterable

from starlette import applications, middleware, types
from starlette.middleware import cors

from parallax.gateway import (
    arrivals,
    bodies,
    context,
    encodings,
    keyring,
    keys,
    metrics,
    openapi,
    operation,
    router,
    routes,
    shedding,
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
    metrics.begin()
    served = routes.operations(api)
    ring = keyring.Keyring(api.settings.http, api.spare_keys)
    # Pages of other sites are told why they are refused by headers that CORS adds.
    shedder = None if api.settings.http.allow_origins else shedding.Shedder(api, served)
    app = _Application(middleware=layers(api, served, ring, shedder))
    app.router = router.Router([each.route() for each in served], reserved.unmatched)
    app.state.context = api
    app.state.keyring = ring
    app.state.shedder = shedder
    app.state.openapi = openapi.document(served, api.version)
    return app


class _Application(applications.Starlette):
    def build_middleware_stack(self) -> types.ASGIApp:
        # Without Starlette's own two handlers of errors: ``Problems`` does what they are for.
        app: types.ASGIApp = self.router
        for layer, args, kwargs in reversed(self.user_middleware):
            app = layer(app, *args, **kwargs)
        return app


def layers(
    api: context.ApiContext,
    served: Iterable[operation.Operation],
    ring: keyring.Keyring,
    shedder: shedding.Shedder | None,
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
        middleware.Middleware(encodings.Unpacker, limit=limits.max_body),
        middleware.Middleware(wrapping.Problems),
    ]
    if shedder is not None:
        made.append(
            middleware.Middleware(
                arrivals.Arrivals, expects=shedder.expects, dispatcher=api.dispatcher
            )
        )
    if http.api_keys or http.api_keys_file is not None:
        made.append(_guard(api, served, ring))
    return made


def _guard(
    api: context.ApiContext, served: Iterable[operation.Operation], ring: keyring.Keyring
) -> middleware.Middleware:
    return middleware.Middleware(
        keys.Guard,
        ring=ring,
        open_paths=frozenset(each.path for each in served if each.open),
        admin_paths=frozenset(each.path for each in served if each.admin),
        patience=api.settings.limits.timeout,
        clock=api.clock,
    )


def _cors(origins: tuple[str, ...]) -> middleware.Middleware:
    # Without credentials: a key is sent by the page, and the server knows no cookie.
    return middleware.Middleware(
        cors.CORSMiddleware,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=EXPOSED,
    )
