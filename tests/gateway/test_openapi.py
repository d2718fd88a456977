"""The description of the API: complete, and true of what the application answers."""

from typing import Any

import httpx
import orjson
import pytest

from parallax.gateway import openapi, routes
from parallax.gateway.roboflow import kinds
from tests.gateway import support


@pytest.fixture
def described(rig: support.Rig) -> dict[str, Any]:
    """The description."""
    found: dict[str, Any] = orjson.loads(openapi.document(routes.operations(rig.context), "1.2.3"))
    return found


async def test_it_is_served(client: httpx.AsyncClient, described: dict[str, Any]) -> None:
    assert (await client.get("/openapi.json")).json() == described


def test_every_route_is_in_it(rig: support.Rig, described: dict[str, Any]) -> None:
    served = {(route.path, method) for route in rig.app.routes for method in route.methods}  # type: ignore[attr-defined]
    told = {(path, way.upper()) for path, ways in described["paths"].items() for way in ways}

    assert {pair for pair in served if pair[1] != "HEAD"} == told


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    names = set(described["components"]["schemas"])
    text = orjson.dumps(described).decode()

    assert {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]} <= names


def test_operations_have_names_of_their_own(described: dict[str, Any]) -> None:
    names = [each["operationId"] for ways in described["paths"].values() for each in ways.values()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", kinds.ALL, ids=lambda kind: kind.task)
def test_every_field_of_a_request_says_what_it_is(
    described: dict[str, Any], kind: kinds.Kind
) -> None:
    fields = described["components"]["schemas"][kind.call.__name__]["properties"]

    assert set(fields) == set(kind.call.__struct_fields__)
    assert all(field["description"] for field in fields.values())


@pytest.mark.parametrize(
    ("path", "method", "told"),
    [
        ("/infer/object_detection", "post", {"401", "403", "429"}),
        ("/{project}/{version}", "get", {"401", "403", "429"}),
        ("/model/registry", "get", {"401", "429"}),
        ("/model/add", "post", {"401", "403", "429"}),
        ("/start/{project}/{version}", "get", {"401", "403", "429"}),
        ("/model/clear", "post", {"401", "403", "429"}),
        ("/status", "get", {"401", "403", "429"}),
        ("/logs", "get", {"401", "403", "429"}),
        ("/metrics", "get", set()),
        ("/info", "get", set()),
    ],
)
def test_what_a_key_may_not_is_told(
    described: dict[str, Any], path: str, method: str, told: set[str]
) -> None:
    responses = described["paths"][path][method]["responses"]

    assert set(responses) & {"401", "403", "429"} == told


def test_what_is_open_asks_for_no_key(described: dict[str, Any]) -> None:
    assert "security" not in described["paths"]["/info"]["get"]
    assert "401" not in described["paths"]["/info"]["get"]["responses"]
    assert {} in described["paths"]["/status"]["get"]["security"]
    assert "401" in described["paths"]["/status"]["get"]["responses"]
