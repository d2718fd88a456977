"""``/logs``: the last log records of the api process that happens to answer."""

import datetime
import logging
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette import requests, responses

from parallax.contract import errors
from parallax.gateway import operation, ops, problems, queries
from parallax.observe import logs

SIZE = 1000
"""Records that are kept."""


class LogQuery(msgspec.Struct):
    """Which records."""

    limit: Annotated[int, Meta(ge=1, le=SIZE, description="Most records; the newest.")] = 100
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None,
        Meta(description="Least severity."),
    ] = None
    since: Annotated[
        datetime.datetime | None, Meta(description="Only what is younger; UTC if no zone is said.")
    ] = None


class LogEntry(msgspec.Struct):
    """One record."""

    timestamp: datetime.datetime
    level: str
    logger: str
    message: str
    module: str
    line: int


class Logs(msgspec.Struct):
    """The records, the oldest first."""

    logs: list[LogEntry]
    total_count: int


class Absent(msgspec.Struct):
    """The records are not kept."""

    detail: str


async def show(request: requests.Request) -> responses.Response:
    """The records that are asked for."""
    ring = ops.context_of(request).recent_logs
    if ring is None:
        absent = Absent("Logs endpoint not available")
        status = problems.STATUS[problems.UnknownPathError.code]
        return responses.Response(msgspec.json.encode(absent), status, media_type=operation.JSON)
    query = queries.parse(LogQuery, request.scope["query_string"])
    found = [_entry(line) for line in ring.lines() if _is_wanted(line, query)][-query.limit :]
    content = msgspec.json.encode(Logs(found, len(found)))
    return responses.Response(content, media_type=operation.JSON)


def operations() -> list[operation.Operation]:
    """Return what this file serves."""
    return [
        operation.Operation(
            "/logs",
            show,
            "The last log records of the process that answers.",
            {operation.JSON: Logs},
            problems=(errors.InvalidRequestError,),
            others={problems.UnknownPathError: {operation.JSON: Absent}},
            query=LogQuery,
            admin=True,
        )
    ]


def _is_wanted(line: logs.Line, query: LogQuery) -> bool:
    least = logging.NOTSET if query.level is None else logging.getLevelNamesMapping()[query.level]
    return line.severity >= least and (query.since is None or line.at > _in_utc(query.since))


def _in_utc(time: datetime.datetime) -> datetime.datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)


def _entry(line: logs.Line) -> LogEntry:
    level = logging.getLevelName(line.severity)
    return LogEntry(line.at, level, line.logger, line.message, line.module, line.line)
