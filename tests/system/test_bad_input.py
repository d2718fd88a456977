"""What clients get wrong, against the whole server: a clear answer, and nothing else suffers."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support import load
from tests.support import server as servers

pytestmark = pytest.mark.system

PATH = "/infer/object_detection"


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"image": None}, "image"),
        ({"image": 3}, "image"),
        ({"image": {"value": "x"}}, "type"),
        ({"image": []}, "image"),
        ({"model_id": None}, "model_id"),
        ({"model_id": 5}, "model_id"),
        ({"confidence": "much"}, "confidence"),
        ({"confidence": [0.5]}, "confidence"),
        ({"max_detections": "all"}, "max_detections"),
        ({"class_filter": "cat"}, "class_filter"),
        ({"class_agnostic_nms": "maybe"}, "class_agnostic_nms"),
        ({"id": None}, "id"),
    ],
)
def test_wrong_field_is_422_and_named(
    limited: servers.Server, sample: bytes, change: dict[str, Any], location: str
) -> None:
    response = httpx.post(limited.url + PATH, json=load.body(sample) | change, timeout=30)
    assert response.status_code == 422
    assert any(location in map(str, each["loc"]) for each in response.json()["detail"])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{'a': 1}"])
def test_not_json_is_422_with_detail(limited: servers.Server, content: bytes) -> None:
    response = httpx.post(limited.url + PATH, content=content, timeout=30)
    assert response.status_code == 422
    assert response.json()["detail"]


def test_unknown_model_is_404(limited: servers.Server, sample: bytes) -> None:
    response = load.detect(limited.url, sample, model="nobody/7")
    assert response.status_code == 404
    assert "nobody/7" in response.json()["message"]


@pytest.mark.parametrize("model", ["a/b/c", "../etc", "", "/", "a//b"])
def test_malformed_model_id_is_400(limited: servers.Server, sample: bytes, model: str) -> None:
    response = load.detect(limited.url, sample, model=model)
    assert response.status_code == 400
    assert response.json()["message"]


def test_body_over_the_limit_is_413_whether_announced_or_not(limited: servers.Server) -> None:
    large = b"x" * 2_100_000
    announced = httpx.post(limited.url + PATH, content=large, timeout=30)
    streamed = httpx.post(limited.url + PATH, content=iter([large]), timeout=30)
    assert announced.status_code == streamed.status_code == 413
    assert announced.json()["message"]


@pytest.mark.parametrize(
    ("coding", "packed", "status"),
    [
        ("gzip", gzip.compress, 200),
        ("deflate", zlib.compress, 200),
        ("br", bytes, 415),
        ("gzip", bytes, 422),
        ("gzip", lambda content: gzip.compress(content + b" " * 50_000_000), 413),
    ],
)
def test_packed_body_is_read_or_refused_by_what_it_holds(
    limited: servers.Server,
    sample: bytes,
    coding: str,
    packed: Callable[[bytes], bytes],
    status: int,
) -> None:
    content = packed(json.dumps(load.body(sample)).encode())
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    response = httpx.post(limited.url + PATH, content=content, headers=headers, timeout=30)
    assert response.status_code == status, response.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", PATH, 405), ("GET", "/nowhere", 404), ("POST", "/info", 405), ("GET", "/a/b/c", 404)],
)
def test_wrong_method_or_path_is_a_json_object(
    limited: servers.Server, method: str, path: str, status: int
) -> None:
    response = httpx.request(method, limited.url + path, timeout=30)
    assert response.status_code == status
    assert response.json()["message"]


def test_overload_is_503_with_retry_after(sample: bytes) -> None:
    with servers.serve("--cpu-workers", "1", "--max-in-flight", "1") as server:
        with load.Load(server.url, sample, clients=8) as sending:
            sending.answers(60)
        assert set(sending.ledger.statuses) == {200, 503}
        assert all(int(value) >= 1 for value in sending.ledger.retry_after)
        assert all(set(answer) == {"message"} for answer in refusals(sending.ledger))


def refusals(ledger: load.Ledger) -> list[dict[str, str]]:
    """Return the bodies of the refused requests."""
    pairs = zip(ledger.statuses, ledger.answers, strict=True)
    return [answer for status, answer in pairs if status == 503]
