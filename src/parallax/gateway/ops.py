"""Routes for those who run the server: who it is, whether it lives, is ready, and what it does."""

import asyncio
import pathlib
from collections.abc import Sequence

import orjson
import prometheus_client
from starlette import requests, responses

from parallax.broker import housekeeping, keys
from parallax.contract import errors, spec
from parallax.gateway import context, metrics, problems


def json(
    payload: object, status: int = 200, headers: dict[str, str] | None = None
) -> responses.Response:
    """Return a JSON answer, nulls kept."""
    return responses.Response(orjson.dumps(payload), status, headers, "application/json")


def context_of(request: requests.Request) -> context.ApiContext:
    """Return the context that ``app.build`` put on the application."""
    found = request.app.state.context
    assert isinstance(found, context.ApiContext)
    return found


async def info(request: requests.Request) -> responses.Response:
    """Name and version, as the SDK reads them."""
    api = context_of(request)
    return json({"name": "parallax", "version": api.version, "uuid": api.uuid})


async def healthz(request: requests.Request) -> responses.Response:
    """Whether this process lives: it answers, so it does."""
    return json({"status": "healthy"})


async def readiness(request: requests.Request) -> responses.Response:
    """Whether an inference request would be answered."""
    reason = context_of(request).board.reason
    if not reason:
        return json({"status": "ready"})
    problem = errors.NotReadyError(reason)
    return json(
        {"status": "not ready", "reason": reason},
        problems.status(problem),
        {"Retry-After": str(problems.retry_after(problem))},
    )


async def show_metrics(request: requests.Request) -> responses.Response:
    """The metrics of all processes in the Prometheus text format."""
    if not context_of(request).settings.http.metrics:
        raise problems.UnknownPathError("Metrics are switched off.")
    content = await asyncio.to_thread(metrics.render)
    return responses.Response(content, 200, {"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})


async def status(request: requests.Request) -> responses.Response:
    """What the server is made of and how full its queues are."""
    api = context_of(request)
    streams = await _survey(api)
    return json(
        {
            "version": api.version,
            "node": api.node,
            "ready": not api.board.reason,
            "reason": api.board.reason,
            "broker": "unreachable" if streams is None else "ok",
            "processes": _processes(api),
            "streams": streams or {},
            "models": _models(api),
            "in_flight": api.dispatcher.in_flight,
            "slab": _slab(api),
        }
    )


async def _survey(api: context.ApiContext) -> dict[str, object] | None:
    named = keys.Keys(api.settings.broker.namespace, api.node)
    streams = named.streams(tuple(model.id for model in api.models.all()))
    try:
        found = await api.broker.execute(housekeeping.Survey(tuple(streams.items())))
    except errors.BrokerUnavailableError:
        return None
    prefix = named.tag + ":"
    return {
        key.removeprefix(prefix): {
            "length": stats.length,
            "pending": stats.pending,
            "consumers": stats.consumers,
        }
        for key, stats in found.items()
    }


def _processes(api: context.ApiContext) -> list[dict[str, object]]:
    health = api.board.health
    if health is None:
        return []
    age = max(0.0, api.clock() - health.at)
    return [
        {
            "role": process.role,
            "slot": process.slot,
            "pid": process.pid,
            "state": process.state,
            "restarts": process.restarts,
            "uptime_s": round(process.uptime_s + age, 1) if process.pid else 0.0,
            "reason": process.reason,
        }
        for process in health.processes
    ]


def _slab(api: context.ApiContext) -> dict[str, int]:
    health = api.board.health
    return {"slots": health.slots, "held": health.slots_held} if health else {}


def _models(api: context.ApiContext) -> list[dict[str, object]]:
    """Return a row per package; of what is loaded with the facts of the version that is served.

    Folders of this machine are not told; the log has them.
    """
    models, folders = api.models, [pathlib.Path(each) for each in api.settings.models.models]
    return [
        {
            "id": package.id,
            "state": package.state,
            **_facts(models.get(package.id) or models.find(package.id)),
            "version": package.version,
            "reason": problems.without_paths(package.reason),
            "package": _within(pathlib.Path(package.path), folders),
        }
        for package in models.packages
    ]


def _within(path: pathlib.Path, folders: Sequence[pathlib.Path]) -> str:
    """Return where a package lies in a folder of models."""
    for folder in folders:
        if path != folder and path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return path.name


def _facts(model: spec.ModelSpec | None) -> dict[str, object]:
    if model is None:
        return {}
    return {
        "task": model.task,
        "family": model.family,
        "input": [model.input.width, model.input.height],
        "fused": model.fused,
        "labels": len(model.labels),
    }
