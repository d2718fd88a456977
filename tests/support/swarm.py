"""Many requests from a few clients at a time, over connections that are kept, and what must be true
of every answer whatever was asked.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

CLIENTS = 6
"""Requests in flight at a time."""
NO_ANSWER = 599
"""Stands for the status where the connection was closed instead, or nothing came in time."""
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Shot:
    """One request."""

    path: str
    """With the query, as it goes over the line."""
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    innocent: bool = False
    """Sent among the others to see whether they do harm."""

    def __str__(self) -> str:
        """Return what is needed to send it again."""
        return f"{self.method} {self.path[:_SHOWN]} {self.headers} {self.content[:_SHOWN]!r}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A request and its answer."""

    shot: Shot
    status: int
    media: str
    content: bytes
    retry_after: str = ""

    @property
    def fault(self) -> str:
        """Say what is wrong with the answer, whatever was asked; empty: nothing."""
        if self.status >= 500 and not self.retry_after:
            return f"status {self.status}"
        if self.media == "image/jpeg":
            return "" if self.content.startswith(b"\xff\xd8\xff") else "not a JPEG"
        try:
            body = orjson.loads(self.content)
        except ValueError:
            return "not JSON"
        if self.status == httpx.codes.OK:
            return "" if isinstance(body, dict | list) else "no object and no list"
        return "" if _explains(body) else "an error without a text"

    def __str__(self) -> str:
        """Return what happened."""
        return f"{self.fault or self.status}: {self.shot} -> {self.content[:_SHOWN]!r}"


async def fire(url: str, shots: Iterable[Shot], clients: int = CLIENTS) -> list[Hit]:
    """Send all requests and return the answers, in no particular order."""
    waiting, hits = iter(shots), list[Hit]()

    async def client() -> None:
        async with httpx.AsyncClient(timeout=30) as line:
            for shot in waiting:
                hits.append(await _sent(line, url, shot))

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return hits


def among(shots: Sequence[Shot], innocent: Shot, every: int = 20) -> list[Shot]:
    """Return the requests with an innocent one after each few of them."""
    groups = (shots[start : start + every] for start in range(0, len(shots), every))
    return [shot for group in groups for shot in (*group, innocent)]


async def _sent(line: httpx.AsyncClient, url: str, shot: Shot) -> Hit:
    # The target as it is: httpx would tidy up what is not well formed.
    extensions: dict[str, Any] = {"target": shot.path.encode("ascii")}
    try:
        answer = await line.request(
            shot.method, url, content=shot.content, headers=shot.headers, extensions=extensions
        )
    except httpx.TransportError as problem:
        return Hit(shot, NO_ANSWER, "", repr(problem).encode())
    media = answer.headers.get("content-type", "").partition(";")[0]
    retry_after = answer.headers.get("retry-after", "")
    return Hit(shot, answer.status_code, media, answer.content, retry_after)


def _explains(body: object) -> bool:
    if not isinstance(body, dict):
        return False
    return bool(body.get("message")) or bool(body.get("detail"))
