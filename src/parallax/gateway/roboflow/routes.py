"""What this dialect offers, path by path."""

from parallax.contract import errors
from parallax.gateway import context, operation, problems
from parallax.gateway.roboflow import answers, infer, kinds, legacy, query, registry

_LOADS: operation.Problems = (
    errors.BadModelIdError,
    errors.UnknownModelError,
    problems.ForbiddenError,
    errors.DeadlineExceededError,
    errors.OverloadedError,
)
_READS: operation.Problems = (errors.InvalidRequestError, *operation.READING_BODY)
_UNLOADS: operation.Problems = (errors.DeadlineExceededError, errors.OverloadedError)
_EVERY_ANSWER = (*(kind.answer for kind in kinds.ALL), answers.Stub)
_REGISTRY: operation.Content = {operation.JSON: answers.Registry}
_PICTURE: operation.Content = {
    "multipart/form-data": {
        "type": "object",
        "properties": {"file": operation.BYTES},
        "required": ["file"],
    },
    # The picture itself or bare base64 is the body, whatever the header calls it.
    "image/*": operation.BYTES,
    "text/plain": operation.TEXT,
    "application/x-www-form-urlencoded": operation.TEXT,
}


def inference(api: context.ApiContext) -> list[operation.Operation]:
    """Return the v1 routes of all tasks."""
    return [_v1(api, kind) for kind in kinds.ALL]


def management(api: context.ApiContext) -> list[operation.Operation]:
    """Return the routes about models."""
    models = registry.Registry(api)
    reads = (*_LOADS, *_READS)
    named: operation.Content = {operation.JSON: registry.ModelCall}
    cached: operation.Content = {operation.JSON: operation.TEXT}
    begun: operation.Content = {operation.JSON: registry.Started}
    return [
        operation.Operation("/model/registry", models.show, "List the loaded models.", _REGISTRY),
        _post("/model/add", models.add, "Load a model.", problems=reads, body=named),
        _post(
            "/model/remove", models.remove, "Unload a model.",
            problems=reads, body=named, admin=True,
        ),
        _post(
            "/model/clear", models.clear, "Unload all models.", problems=_UNLOADS, admin=True
        ),
        operation.Operation(
            "/clear_cache", models.clear_cache, "Unload all models.", cached,
            problems=_UNLOADS, acts=True, admin=True,
        ),
        operation.Operation(
            "/start/{project}/{version}", models.start, "Load a model.", begun,
            problems=_LOADS, acts=True,
        ),
    ]  # fmt: skip


def legacy_inference(api: context.ApiContext) -> list[operation.Operation]:
    """Return the v0 routes. They take what nothing else takes, so they come last."""
    endpoint = legacy.Legacy(api)
    return [
        operation.Operation(
            path,
            endpoint,
            "Run a model on the picture that is the body.",
            {operation.JSON: _EVERY_ANSWER, "image/jpeg": operation.BYTES},
            methods=("GET", "POST"),
            problems=(*_LOADS, *_READS),
            query=query.Query,
            body=_PICTURE,
            acts=True,
            timed=True,
            routed=legacy.Route,
        )
        for path in ("/{project}/{version}", "/{model}")
    ]


def _v1(api: context.ApiContext, kind: kinds.Kind) -> operation.Operation:
    one, stub = kind.answer, answers.Stub
    return operation.Operation(
        kind.path,
        infer.Infer(api, kind),
        f"Run a model for {kind.task}.",
        {operation.JSON: (one, stub, list[one], list[stub])},  # type: ignore[valid-type]
        methods=("POST",),
        problems=(*_LOADS, *_READS),
        body={operation.JSON: kind.call},
        timed=True,
    )


def _post(
    path: str,
    endpoint: operation.Endpoint,
    summary: str,
    *,
    problems: operation.Problems,
    body: operation.Content | None = None,
    admin: bool = False,
) -> operation.Operation:
    return operation.Operation(
        path,
        endpoint,
        summary,
        _REGISTRY,
        methods=("POST",),
        problems=problems,
        body=body,
        admin=admin,
    )
