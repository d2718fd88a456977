"""What the server offers, one object per path: from it come the route, its line in
``/openapi.json``, and whether it asks for a key. So none of the three can forget one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette import routing

from parallax.contract import errors
from parallax.gateway import problems

JSON = "application/json"

Endpoint = Any
"""A function of a request, or an ASGI application: what ``routing.Route`` takes."""
Schema = Any
"""A type that msgspec can describe, a tuple of alternatives, or a JSON schema (a dict)."""
Content = Mapping[str, Schema]
"""Schemas by media type."""

TEXT: Mapping[str, str] = {"type": "string"}
BYTES: Mapping[str, str] = {"type": "string", "format": "binary"}

Problems = tuple[type[errors.ParallaxError], ...]

READING_BODY: Problems = (
    problems.SlowBodyError,
    problems.UnsupportedEncodingError,
    errors.BodyTooLargeError,
    errors.OverloadedError,
)
"""What may go wrong wherever a body is read."""


class Problem(msgspec.Struct):
    """Says what went wrong."""

    message: str


class Unauthorized(Problem):
    """No key was sent, or a wrong one."""

    status: int


class Violation(msgspec.Struct):
    """One value that is not allowed."""

    type: str
    loc: list[str | int]
    msg: str


class Violations(msgspec.Struct):
    """What is wrong with a body or a query, by place."""

    detail: list[Violation]


@dataclass(frozen=True, slots=True)
class Operation:
    """One path."""

    path: str
    endpoint: Endpoint
    summary: str
    answer: Content
    """When all goes well."""
    methods: tuple[str, ...] = ("GET",)
    problems: Problems = ()
    """What may go wrong, beside what may on every route."""
    others: Mapping[type[errors.ParallaxError], Content] = field(default_factory=dict)
    """What may go wrong and is answered with a body of its own."""
    query: type[msgspec.Struct] | None = None
    body: Content | None = None
    acts: bool = False
    """A GET does more than read, so there is no HEAD."""
    open: bool = False
    """No key is asked for."""
    timed: bool = False
    """The client may say how long it waits."""
    admin: bool = False
    """Only for keys that may manage the server."""
    routed: type[routing.Route] = routing.Route

    def __post_init__(self) -> None:
        """Refuse what the guard could not tell by its path."""
        if (self.open or self.admin) and "{" in self.path:
            raise ValueError(f"{self.path} has parameters, so it is for every key and no other")

    def route(self) -> routing.Route:
        """Return what the router needs."""
        made = self.routed(self.path, self.endpoint, methods=list(self.methods))
        if self.acts and made.methods is not None:
            made.methods.discard("HEAD")
        return made
