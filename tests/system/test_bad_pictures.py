"""Pictures that are none, or that may not be had: the whole server says why, and nothing else
suffers.
"""

import base64
import pickle  # noqa: TID251 - to make what is refused
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support import load, picture_files, pictures
from tests.support import server as servers

pytestmark = pytest.mark.system


def picture(kind: str) -> bytes:
    """Return an encoded picture."""
    return pictures.encoded(pictures.gradient(), kind)


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


def text(content: bytes) -> str:
    """Return base64."""
    return base64.b64encode(content).decode()


def npy(*shape: int, kind: str = "uint8") -> str:
    """Return an array file in base64."""
    return text(pictures.npy(np.zeros(shape, kind)))


PICKLE = pickle.dumps(np.zeros((4, 4, 3), np.uint8))

CAUSES: dict[str, tuple[str, Any, str]] = {
    "unknown type": ("FTP", "x", "'ftp' is not known"),
    "malformed base64": ("base64", "A", "not valid base64"),
    "empty payload": ("base64", "", "is empty"),
    "only a prefix": ("base64", "data:image/png;base64,", "is empty"),
    "not decodable": ("base64", text(b"nothing"), "not a picture of a known format"),
    "too many pixels": ("base64", text(bomb()), "the limit is"),
    "null": ("base64", None, "must be a string"),
    "null url": ("url", None, "must be a string"),
    "object": ("base64", {"a": 1}, "must be a string"),
    "pickle": ("numpy", text(PICKLE), "NumPy image type is not supported"),
    "numbers": ("numpy", [[1, 2], [3, 4]], "NumPy image type is not supported"),
    "null array": ("numpy", None, "NumPy image type is not supported"),
    "array of one axis": ("numpy", npy(12), "the shape"),
    "array of four axes": ("numpy", npy(1, 4, 4, 3), "the shape"),
    "array of four channels": ("numpy", npy(4, 4, 4), "the shape"),
    "array of floats": ("numpy", npy(4, 4, 3, kind="float32"), "of type uint8"),
    "array of objects": ("numpy", npy(4, 4, 3, kind="object"), "of type uint8"),
    "path on the server": ("file", "/etc/passwd", "files of the server is disabled"),
    "missing path": ("file", "/no/such/file", "files of the server is disabled"),
    "pil": ("pil", "x", "send the picture as base64"),
    "multipart": ("multipart", "x", "send the picture as base64"),
    "numpy object": ("numpy_object", "x", "send the picture as base64"),
    "empty url": ("url", "", "A URL has from 1"),
    "malformed url": ("url", "https:\\\\a.example.com/b.jpg", "URL is malformed"),
    "url of a path": ("url", "file:///etc/passwd", "non https:// URL"),
    "plain url": ("url", "http://a.example.com/b.jpg", "non https:// URL"),
    "bare name": ("url", "https://localhost/b.jpg", "URL without FQDN"),
    "address": ("url", "https://127.0.0.1/b.jpg", "URL without FQDN"),
    "blocked host": ("url", "https://blocked.example.com/b.jpg", "from blocked.example.com"),
    "other port": ("url", "https://a.example.com:6379/", "only from the default port"),
}


@pytest.mark.parametrize("case", CAUSES)
def test_cause_is_told(limited: servers.Server, case: str) -> None:
    kind, value, cause = CAUSES[case]
    response = load.detect(limited.url, b"", image={"type": kind, "value": value})
    assert response.status_code == 400
    assert response.json()["message"].startswith("Could not load input image. Cause: ")
    assert cause in response.json()["message"]


@pytest.mark.parametrize("value", [b'"\xff"', b'"QUJ\xc0\x80D"'])
@pytest.mark.parametrize("kind", [b"base64", b"url", b"numpy"])
def test_value_that_is_no_text_is_400(limited: servers.Server, kind: bytes, value: bytes) -> None:
    body = b'{"model_id":"demo","image":{"type":"%s","value":%s}}' % (kind, value)
    response = httpx.post(f"{limited.url}/infer/object_detection", content=body, timeout=30)
    assert response.status_code == 400
    assert "is not valid text" in response.json()["message"]


def test_missing_value_is_null(limited: servers.Server) -> None:
    response = load.detect(limited.url, b"", image={"type": "base64"})
    assert response.status_code == 400
    assert "must be a string" in response.json()["message"]


FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n--b--\r\n'

BODIES: dict[str, tuple[str, bytes, str]] = {
    "raw bytes": ("image/jpeg", b"\xff\xd8\xff nothing", "no marker found"),
    "nothing": ("application/json", b"", "body is empty"),
    "no base64": ("application/json", b"A", "not valid base64"),
    "part missing": (FORM, PART % (b"picture", picture("PNG")), 'no file named "file"'),
    "part empty": (FORM, PART % (b"file", b""), "is empty"),
    "part not decodable": (FORM, PART % (b"file", b"nothing"), "known format"),
    "no parts": (FORM, b"", 'no file named "file"'),
    "no boundary": ("multipart/form-data", PART % (b"file", b"x"), "cannot be read"),
}


@pytest.mark.parametrize("case", BODIES)
def test_cause_is_told_about_a_body(limited: servers.Server, case: str) -> None:
    media, content, cause = BODIES[case]
    response = httpx.post(
        f"{limited.url}/demo", content=content, headers={"Content-Type": media}, timeout=30
    )
    assert response.status_code == 400
    assert cause in response.json()["message"]


def test_body_without_a_type_is_400(limited: servers.Server) -> None:
    response = httpx.post(f"{limited.url}/demo", content=text(picture("PNG")), timeout=30)
    assert response.status_code == 400
    assert "Content-Type" in response.json()["message"]


@pytest.mark.parametrize("name", ["image_type=ftp", "image_type=file", "image=http://a.example/b"])
def test_query_that_names_no_picture_is_400(limited: servers.Server, name: str) -> None:
    content, headers = text(picture("PNG")), {"Content-Type": "text/plain"}
    response = httpx.post(f"{limited.url}/demo?{name}", content=content, headers=headers)
    assert response.status_code == 400
    assert response.json()["message"].startswith("Could not load input image. Cause: ")


@pytest.fixture(scope="module")
def lenient() -> Iterator[servers.Server]:
    """A server that fetches from addresses too, but only from those of the whole world."""
    with servers.serve("--cpu-workers", "1", "--url-without-fqdn") as running:
        yield running


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "localhost"]
)
def test_address_that_is_not_global_is_400(lenient: servers.Server, host: str) -> None:
    image = {"type": "url", "value": f"https://{host}/a.jpg"}
    response = load.detect(lenient.url, b"", image=image)
    assert response.status_code == 400
    assert "not global" in response.json()["message"]


@pytest.mark.parametrize("content", BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_bad_picture_is_400_with_a_message(limited: servers.Server, content: bytes) -> None:
    response = load.detect(limited.url, content)
    assert response.status_code == 400
    assert response.json()["message"]


def test_bad_picture_in_a_list_fails_its_request_and_no_other(
    limited: servers.Server, sample: bytes
) -> None:
    good = load.body(sample)["image"]
    bad = load.body(b"no picture")["image"]
    with load.Load(limited.url, sample, clients=2) as sending:
        sending.answers(4)
        for _ in range(5):
            assert load.detect(limited.url, sample, image=[good, bad]).status_code == 400
        sending.answers(4)
    assert set(sending.ledger.statuses) == {200}


@pytest.mark.parametrize("kind", picture_files.FILES)
def test_every_usual_format_is_decoded(limited: servers.Server, kind: str) -> None:
    response = load.detect(limited.url, picture_files.FILES[kind])
    assert sorted(response.json()["image"].values()) == [32, 48]


def test_data_url_prefix_is_accepted(limited: servers.Server, sample: bytes) -> None:
    value = "data:image/jpeg;base64," + base64.b64encode(sample).decode()
    image = {"type": "BASE64", "value": value}
    assert load.detect(limited.url, sample, image=image).status_code == 200
