"""What the server offers, path by path. To learn it, read this file and the ones that it names."""

import msgspec

from parallax.contract import errors
from parallax.gateway import context, logbook, operation, ops, problems, site
from parallax.gateway.roboflow import routes as roboflow

_HTML: operation.Content = {"text/html": operation.TEXT}


class Info(msgspec.Struct):
    """Who answers."""

    name: str
    version: str
    uuid: str


class Health(msgspec.Struct):
    """The process lives."""

    status: str


class NotReady(msgspec.Struct):
    """Inference requests would be refused, and why."""

    status: str
    reason: str


def operations(api: context.ApiContext) -> list[operation.Operation]:
    """Return all of it, the busiest first; the last takes what no other takes."""
    return [
        *roboflow.inference(api),
        *roboflow.management(api),
        *_for_operators(),
        *logbook.operations(),
        *_for_people(),
        *roboflow.legacy_inference(api),
    ]


def _for_operators() -> list[operation.Operation]:
    health: operation.Content = {operation.JSON: Health}
    return [
        operation.Operation("/healthz", ops.healthz, "Does it live?", health, open=True),
        operation.Operation(
            "/readiness",
            ops.readiness,
            "Would an inference request be answered?",
            health,
            others={errors.NotReadyError: {operation.JSON: NotReady}},
            open=True,
        ),
        operation.Operation(
            "/metrics",
            ops.show_metrics,
            "Metrics of all processes in the Prometheus text format.",
            {"text/plain": operation.TEXT},
            problems=(problems.UnknownPathError,),
            open=True,
        ),
        operation.Operation("/info", ops.info, "Who answers?", {operation.JSON: Info}, open=True),
        operation.Operation(
            "/status",
            ops.status,
            "Processes, queues and models, as they are now.",
            {operation.JSON: {"type": "object"}},
            admin=True,
        ),
    ]


def _for_people() -> list[operation.Operation]:
    return [
        operation.Operation("/", site.index, "A page to try a model.", _HTML, open=True),
        operation.Operation(
            "/sample.jpg",
            site.sample,
            "A picture to try.",
            {"image/jpeg": operation.BYTES},
            problems=(problems.UnknownPathError,),
            open=True,
        ),
        operation.Operation("/docs", site.docs, "This description, to read.", _HTML, open=True),
        operation.Operation("/redoc", site.docs, "The same.", _HTML, open=True),
        operation.Operation(
            "/openapi.json",
            site.openapi,
            "This description.",
            {operation.JSON: {"type": "object"}},
            open=True,
        ),
    ]
