"""What clients get wrong, against the whole server: a clear answer, and nothing else suffers."""

import base64
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image, features

from tests.support import load
from tests.support import server as servers

pytestmark = pytest.mark.system

PATH = "/infer/object_detection"


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """A server with small limits, that must end with the processes it started with."""
    with servers.serve("--cpu-workers", "1", "--max-body-mb", "2", "--max-images", "4") as running:
        before = {(row["role"], row["slot"]): row["pid"] for row in running.status()["processes"]}
        yield running
        after = {(row["role"], row["slot"]): row["pid"] for row in running.status()["processes"]}
        assert after == before, "no process died of bad input"
        running.wait_idle()


def picture(kind: str) -> bytes:
    """Return an encoded picture of 64 x 48 pixels."""
    stream = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((64, 48)).save(stream, kind)
    return stream.getvalue()


def bomb() -> bytes:
    """Return a PNG of a few bytes that claims 50000 x 50000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


BAD_PICTURES = {
    "empty": b"",
    "text": b"this is not a picture",
    "truncated jpeg": picture("JPEG")[:-200],
    "truncated png": picture("PNG")[:60],
    "header only": picture("PNG")[:33],
    "bomb": bomb(),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "noise": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("content", BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_bad_picture_is_400_with_a_message(server: servers.Server, content: bytes) -> None:
    response = load.detect(server.url, content)
    assert response.status_code == 400
    assert response.json()["message"]


def test_bad_picture_in_a_list_fails_its_request_and_no_other(
    server: servers.Server, sample: bytes
) -> None:
    good = load.body(sample)["image"]
    bad = load.body(b"no picture")["image"]
    with load.Load(server.url, sample, clients=2) as sending:
        sending.answers(4)
        for _ in range(5):
            assert load.detect(server.url, sample, image=[good, bad]).status_code == 400
        sending.answers(4)
    assert set(sending.ledger.statuses) == {200}


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
    server: servers.Server, sample: bytes, change: dict[str, Any], location: str
) -> None:
    response = httpx.post(server.url + PATH, json=load.body(sample) | change, timeout=30)
    assert response.status_code == 422
    assert any(location in map(str, each["loc"]) for each in response.json()["detail"])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{'a': 1}"])
def test_not_json_is_422_with_detail(server: servers.Server, content: bytes) -> None:
    response = httpx.post(server.url + PATH, content=content, timeout=30)
    assert response.status_code == 422
    assert response.json()["detail"]


def test_unknown_model_is_404(server: servers.Server, sample: bytes) -> None:
    response = load.detect(server.url, sample, model="nobody/7")
    assert response.status_code == 404
    assert "nobody/7" in response.json()["message"]


@pytest.mark.parametrize("model", ["a/b/c", "../etc", "", "/", "a//b"])
def test_malformed_model_id_is_400(server: servers.Server, sample: bytes, model: str) -> None:
    response = load.detect(server.url, sample, model=model)
    assert response.status_code == 400
    assert response.json()["message"]


def test_body_over_the_limit_is_413_whether_announced_or_not(server: servers.Server) -> None:
    large = b"x" * 2_100_000
    announced = httpx.post(server.url + PATH, content=large, timeout=30)
    streamed = httpx.post(server.url + PATH, content=iter([large]), timeout=30)
    assert announced.status_code == streamed.status_code == 413
    assert announced.json()["message"]


@pytest.mark.parametrize("kind", ["file", "numpy", "url", "FTP", "pil"])
def test_other_image_types_are_refused(server: servers.Server, kind: str) -> None:
    content = {"model_id": "demo", "image": {"type": kind, "value": "/etc/passwd"}}
    response = httpx.post(server.url + PATH, json=content, timeout=30)
    assert response.status_code == 400
    assert response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", PATH, 405), ("GET", "/nowhere", 404), ("POST", "/info", 405), ("GET", "/a/b/c", 404)],
)
def test_wrong_method_or_path_is_a_json_object(
    server: servers.Server, method: str, path: str, status: int
) -> None:
    response = httpx.request(method, server.url + path, timeout=30)
    assert response.status_code == status
    assert response.json()["message"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_every_usual_format_is_decoded(server: servers.Server, kind: str) -> None:
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow-SIMD was built without the headers of WebP")
    response = load.detect(server.url, picture(kind))
    assert response.json()["image"] == {"width": 64, "height": 48}


def test_data_url_prefix_is_accepted(server: servers.Server, sample: bytes) -> None:
    value = "data:image/jpeg;base64," + base64.b64encode(sample).decode()
    image = {"type": "BASE64", "value": value}
    assert load.detect(server.url, sample, image=image).status_code == 200


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
