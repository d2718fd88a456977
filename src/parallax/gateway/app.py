"""The application of an api process: which path leads to which handler, in which wrapping.

To learn what the server offers, read ``routes``.
"""

from starlette import applications, exceptions, middleware, routing

from parallax.gateway import bodies, context, ops, problems, site
from parallax.gateway import middleware as wrapping
from parallax.gateway.roboflow import infer, registry, reserved

MEGABYTE = 1_000_000


def routes(api: context.ApiContext) -> list[routing.BaseRoute]:
    """Return all routes, the busiest first."""
    return [
        routing.Route("/infer/object_detection", infer.ObjectDetection(api), methods=["POST"]),
        routing.Route("/model/registry", registry.show),
        routing.Route("/healthz", ops.healthz),
        routing.Route("/readiness", ops.readiness),
        routing.Route("/metrics", ops.show_metrics),
        routing.Route("/info", ops.info),
        routing.Route("/status", ops.status),
        routing.Route("/", site.index),
        routing.Route("/sample.jpg", site.sample),
    ]


def layers(api: context.ApiContext) -> list[middleware.Middleware]:
    """Return what is around every exchange, outermost first."""
    limit = int(api.settings.limits.max_body_mb * MEGABYTE)
    total = int(api.settings.limits.max_buffered_mb * MEGABYTE)
    return [
        middleware.Middleware(wrapping.Stamp),
        middleware.Middleware(
            wrapping.Observe, clock=api.clock, log_access=api.settings.http.access_log
        ),
        middleware.Middleware(bodies.BodyGuard, limit=limit, total=total),
        middleware.Middleware(wrapping.Problems),
    ]


def build(api: context.ApiContext) -> applications.Starlette:
    """Return the ASGI application over these parts."""
    app = applications.Starlette(
        routes=routes(api),
        middleware=layers(api),
        exception_handlers={exceptions.HTTPException: problems.on_http_exception},
    )
    app.state.context = api
    # "/info/" is not a page that moved: it does not exist.
    app.router.redirect_slashes = False
    app.router.default = reserved.unmatched
    return app
