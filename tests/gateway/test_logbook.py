"""The log records of a process over HTTP."""

import dataclasses
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from parallax.gateway import app
from parallax.observe import logs
from tests.gateway import support


@pytest.fixture
async def reader(rig: support.Rig) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that keeps four records, and was given five."""
    ring = logs.Ring(4)
    for number, severity in enumerate((40, 10, 20, 30, 40)):
        record = logging.LogRecord("a.b", severity, "/x/y.py", 7, "number %d", (number,), None)
        record.created = 1_700_000_000.5 + number
        ring.emit(record)
    transport = httpx.ASGITransport(app.build(dataclasses.replace(rig.context, recent_logs=ring)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


def numbers(answer: httpx.Response) -> list[str]:
    assert answer.json()["total_count"] == len(answer.json()["logs"])
    return [line["message"].removeprefix("number ") for line in answer.json()["logs"]]


async def test_the_records_that_are_kept_come_oldest_first(reader: httpx.AsyncClient) -> None:
    answer = await reader.get("/logs")

    assert numbers(answer) == ["1", "2", "3", "4"]
    assert answer.json()["logs"][-1] == {
        "timestamp": "2023-11-14T22:13:24.500000Z",
        "level": "ERROR",
        "logger": "a.b",
        "message": "number 4",
        "module": "y",
        "line": 7,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=2", ["3", "4"]),
        ("level=WARNING", ["3", "4"]),
        ("since=2023-11-14T22:13:22.5Z", ["3", "4"]),
        ("since=2023-11-14T22:13:23.5", ["4"]),
        ("since=2023-11-14T23:13:23.5%2B01:00&level=DEBUG", ["4"]),
        ("level=CRITICAL", []),
    ],
)
async def test_some_of_them_can_be_asked_for(
    reader: httpx.AsyncClient, query: str, expected: list[str]
) -> None:
    assert numbers(await reader.get(f"/logs?{query}")) == expected


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "level=LOUD", "since=yesterday"])
async def test_a_wrong_wish_is_422(reader: httpx.AsyncClient, query: str) -> None:
    assert (await reader.get(f"/logs?{query}")).status_code == 422


async def test_by_default_nothing_is_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/logs")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Logs endpoint not available"}
