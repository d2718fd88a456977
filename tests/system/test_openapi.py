"""The description of the API against the whole server: made-up requests, good and bad, get no
answer that the description does not have."""

import base64
import contextlib
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.support import load
from tests.support import server as servers

pytestmark = pytest.mark.system

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """A server of its own: its models are unloaded on the way."""
    with servers.serve("--cpu-workers", "1") as running:
        yield running


@pytest.fixture(scope="module")
def fenced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server with a key that is for another model than the one it has."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text("[[key]]\nname = 'fenced'\nkey = 'fenced'\nmodels = ['other']\n")
    options = ("--cpu-workers", "1", "--api-keys-file", str(path))
    with servers.serve(*options, key="operator") as running:
        yield running


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_answer_is_outside_of_the_description(
    server: servers.Server, mode: schemathesis.GenerationMode
) -> None:
    described = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    for found in described.get_all_operations():
        # Nothing can be wrong with a request that takes nothing.
        with contextlib.suppress(hypothesis.errors.Unsatisfiable):
            operation = found.ok()  # type: ignore[union-attr]  # the description is whole
            send(operation.as_strategy(generation_mode=mode))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("key", ["wrong", "fenced"])
def test_no_refusal_of_a_key_is_outside_of_the_description(
    fenced: servers.Server, key: str
) -> None:
    described = schemathesis.openapi.from_url(f"{fenced.url}/openapi.json")
    for found in described.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # the description is whole
        send(operation.as_strategy(), {"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("wishes", [{}, {"visualize_predictions": True}])
def test_a_picture_is_answered_as_described(
    server: servers.Server, sample: bytes, wishes: dict[str, Any]
) -> None:
    described = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    case = described["/infer/object_detection"]["POST"].Case(body=load.body(sample, **wishes))

    answer = case.call_and_validate(checks=CHECKS, timeout=60)

    assert answer.status_code == 200
    assert answer.json()["predictions"]
    assert ("visualization" in answer.json()) == bool(wishes)


@pytest.mark.parametrize("form", ["json", "image", "image_and_json"])
def test_a_bare_picture_is_answered_as_described(
    server: servers.Server, sample: bytes, form: str
) -> None:
    described = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    case = described["/{model}"]["POST"].Case(
        path_parameters={"model": "demo"},
        query={"format": form, "confidence": "40"},
        body=base64.b64encode(sample).decode(),
        media_type="text/plain",
    )

    answer = case.call_and_validate(checks=CHECKS, timeout=60)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == [
        "image/jpeg" if form == "image" else "application/json"
    ]


def send(
    cases: hypothesis.strategies.SearchStrategy[schemathesis.Case[Any]],
    headers: dict[str, str] | None = None,
) -> None:
    """Send made-up requests to one operation and check the answers."""

    @hypothesis.settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=cases)
    def one(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS, timeout=60, headers=headers)

    one()
