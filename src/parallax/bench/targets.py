"""What is sent to each kind of server, and what a right answer of it is."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib import parse

import msgspec

from parallax.bench import failures, plan
from parallax.contract import tasks

Size = tuple[int, int]
"""Width and height in pixels."""
Judge = Callable[[bytes, Size], bool]
"""Says whether a body is the answer that a picture of this size should get."""

_MEDIA: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"RIFF", "image/webp"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)


ROUTES = {
    tasks.OBJECT_DETECTION: "/infer/object_detection",
    tasks.INSTANCE_SEGMENTATION: "/infer/instance_segmentation",
    tasks.KEYPOINT_DETECTION: "/infer/keypoints_detection",
    tasks.CLASSIFICATION: "/infer/classification",
    tasks.SEMANTIC_SEGMENTATION: "/infer/semantic_segmentation",
}
"""Where the roboflow API takes pictures, by the task of the model."""


class Address(msgspec.Struct, frozen=True):
    """Where a server is."""

    host: str
    port: int
    tls: bool
    authority: str
    """What the ``Host`` header says."""
    prefix: str = ""
    """Path in front of all paths."""


class Asked(msgspec.Struct, frozen=True):
    """Whom to ask for what."""

    address: Address
    api: plan.Api
    model: str
    key: str | None = None
    route: str = ROUTES[tasks.OBJECT_DETECTION]
    """For the model's task (roboflow)."""
    tensor: str = "image"
    """Name of the input (v2)."""
    dimensions: int = 1
    """Of the input (v2); each is 1."""
    patience: float | None = None
    """Seconds that the server is told to be waited for."""


def address(url: str) -> Address:
    """Return the parts of a URL.

    Raises:
        BenchError: not an http or https address.
    """
    try:
        parts = parse.urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise failures.BenchError(f"--url: {url!r} is not an address: {problem}") from problem
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise failures.BenchError(f"--url: {url!r} is not a http:// or https:// address")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise failures.BenchError(
            "--url: only the address, and a path at most; a key goes into --api-key"
        )
    tls = parts.scheme == "https"
    prefix = parts.path.rstrip("/")
    return Address(parts.hostname, port or (443 if tls else 80), tls, parts.netloc, prefix)


def request(asked: Asked, picture: bytes) -> bytes:
    """Return the whole HTTP request for a picture, to be written as it is."""
    path, headers, body = _BUILDERS[asked.api](asked, picture)
    lines = [
        f"POST {asked.address.prefix}{path} HTTP/1.1",
        f"Host: {asked.address.authority}",
        "User-Agent: parallax-bench",
        "Accept: */*",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
    ]
    if asked.patience is not None:
        lines.append(f"X-Request-Timeout: {asked.patience:g}")
    if asked.key is not None:
        lines.append(f"Authorization: Bearer {asked.key}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


Built = tuple[str, dict[str, str], bytes]


def _roboflow(asked: Asked, picture: bytes) -> Built:
    image = {"type": "base64", "value": base64.b64encode(picture).decode()}
    body = json.dumps({"model_id": asked.model, "image": image}).encode()
    return asked.route, {"Content-Type": "application/json"}, body


def _raw(asked: Asked, picture: bytes) -> Built:
    media = next((kind for head, kind in _MEDIA if picture.startswith(head)), "image/jpeg")
    return "/" + parse.quote(asked.model), {"Content-Type": media}, picture


def _v2(asked: Asked, picture: bytes) -> Built:
    element = len(picture).to_bytes(4, "little") + picture
    tensor: dict[str, Any] = {
        "name": asked.tensor,
        "shape": [1] * asked.dimensions,
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(element)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return f"/v2/models/{parse.quote(asked.model, safe='')}/infer", headers, head + element


_BUILDERS: dict[plan.Api, Callable[[Asked, bytes], Built]] = {
    "roboflow": _roboflow,
    "raw": _raw,
    "v2": _v2,
}


_REASON = 200
"""Most characters of a reason."""


def reason(body: bytes) -> str:
    """Return what a body says of an error: the message of a JSON object, or the text, clipped."""
    text = body[:65536].decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        said = [found[key] for key in ("message", "detail", "error") if key in found]
        text = str(said[0]) if said else text
    return " ".join(text.split())[:_REASON]


class _Picture(msgspec.Struct):
    width: int
    height: int


class _Detections(msgspec.Struct):
    predictions: msgspec.Raw
    image: _Picture


_detections = msgspec.json.Decoder(_Detections)


def _is_detections(body: bytes, size: Size) -> bool:
    """A whole JSON object with predictions, and with the size of the picture that was sent: a
    server that mixes up answers is found out. Rotated by EXIF, width and height change places."""
    try:
        found = _detections.decode(body)
    except msgspec.MsgspecError:
        return False
    return (found.image.width, found.image.height) in (size, size[::-1])


def _is_tensors(body: bytes, size: Size) -> bool:
    return body.startswith(b"{") and b'"outputs"' in body[:65536]


_JUDGES: dict[plan.Api, Judge] = {
    "roboflow": _is_detections,
    "raw": _is_detections,
    "v2": _is_tensors,
}


def judge(api: plan.Api) -> Judge:
    """Return what tells right answers of this kind of server from wrong ones."""
    return _JUDGES[api]
