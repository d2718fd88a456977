"""Requests of each kind, and which answers to them are right."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.bench import failures, plan, targets
from parallax.contract import tasks

PICTURE = b"\xff\xd8picture"
RIGHT = b'{"inference_id":"a","image":{"width":64,"height":48},"predictions":[{"x":1}]}'
APIS: list[plan.Api] = ["roboflow", "raw"]


def asked(api: plan.Api, **changes: object) -> targets.Asked:
    at = targets.address("http://example.com:81/base/")
    return targets.Asked(at, api, "a b/1", **changes)  # type: ignore[arg-type]


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Host"] == "example.com:81"
    return first, headers, body


def test_roboflow_is_base64_in_json() -> None:
    first, headers, body = parts(targets.request(asked("roboflow", key="k"), PICTURE))
    assert first == "POST /base/infer/object_detection HTTP/1.1"
    assert headers["Authorization"] == "Bearer k"
    sent = json.loads(body)
    assert sent["model_id"] == "a b/1"
    assert base64.b64decode(sent["image"]["value"]) == PICTURE


def test_roboflow_asks_where_the_task_of_the_model_is_done() -> None:
    asking = asked("roboflow", route=targets.ROUTES["classification"])
    first, _, _ = parts(targets.request(asking, PICTURE))
    assert first == "POST /base/infer/classification HTTP/1.1"


def test_every_task_has_a_route() -> None:
    assert targets.ROUTES.keys() == set(tasks.ALL)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message":"no such model"}', "no such model"),
        (b'{"detail":[{"msg":"x"}]}', "[{'msg': 'x'}]"),
        (b"<h1>\n no </h1>", "<h1> no </h1>"),
        (b"", ""),
        (b"\xff" * 1000, "\ufffd" * 200),
    ],
)
def test_a_reason_is_what_the_server_said_in_short(body: bytes, said: str) -> None:
    assert targets.reason(body) == said


@pytest.mark.parametrize(("picture", "media"), [(PICTURE, "image/jpeg"), (b"\x89PNG", "image/png")])
def test_raw_is_the_file_itself_with_its_type(picture: bytes, media: str) -> None:
    first, headers, body = parts(targets.request(asked("raw"), picture))
    assert first == "POST /base/a%20b/1 HTTP/1.1"
    assert (headers["Content-Type"], body) == (media, picture)
    assert "Authorization" not in headers


def test_v2_is_one_element_with_its_length_behind_the_json() -> None:
    request = asked("v2", tensor="in", dimensions=2)
    first, headers, body = parts(targets.request(request, PICTURE))
    assert first == "POST /base/v2/models/a%20b%2F1/infer HTTP/1.1"
    length = int(headers["Inference-Header-Content-Length"])
    (tensor,) = json.loads(body[:length])["inputs"]
    assert (tensor["name"], tensor["shape"], tensor["datatype"]) == ("in", [1, 1], "BYTES")
    assert tensor["parameters"]["binary_data_size"] == len(body) - length
    assert body[length:] == len(PICTURE).to_bytes(4, "little") + PICTURE


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("size", [(64, 48), (48, 64)])
def test_an_answer_about_the_picture_is_right(api: plan.Api, size: targets.Size) -> None:
    assert targets.judge(api)(RIGHT, size)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"hello", RIGHT[:-1], b'{"predictions":[]}', RIGHT.replace(b"64", b"65")],
)
def test_another_answer_is_wrong(api: plan.Api, body: bytes) -> None:
    assert not targets.judge(api)(body, (64, 48))


@given(st.integers(0, len(RIGHT) - 1))
def test_a_part_of_an_answer_is_wrong(length: int) -> None:
    assert not targets.judge("raw")(RIGHT[:length], (64, 48))


def test_v2_answers_name_outputs() -> None:
    assert targets.judge("v2")(b'{"model_name":"m","outputs":[]}\x00\x01', (1, 1))
    assert not targets.judge("v2")(b'{"error":"no"}', (1, 1))


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("http://localhost", "localhost", 80, False),
        ("https://a.example", "a.example", 443, True),
        ("http://[::1]:9001/", "::1", 9001, False),
    ],
)
def test_address(url: str, host: str, port: int, tls: bool) -> None:
    found = targets.address(url)
    assert (found.host, found.port, found.tls) == (host, port, tls)


@pytest.mark.parametrize(
    "url",
    ["localhost:9001", "ftp://a", "http://", "http://a:99999", "http://u:p@a", "http://a/?b=c"],
)
def test_what_is_no_address_is_refused_by_name(url: str) -> None:
    with pytest.raises(failures.BenchError, match="--url"):
        targets.address(url)
