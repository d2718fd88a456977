"""Requests gone wrong, by the thousand: good ones of every route, damaged in all their parts."""

import base64
import itertools
import random
import urllib.parse
from collections.abc import Iterator
from typing import Any

import orjson

from tests.support import damage, picture_files, zoo
from tests.support.swarm import Shot

Choice = random.Random

JSON = {"content-type": "application/json"}
DETECTION = "/infer/object_detection"
ROUTES = {
    DETECTION: zoo.BOXES,
    "/infer/instance_segmentation": zoo.SEGMENTS,
    "/infer/keypoints_detection": zoo.POSE,
    "/infer/classification": zoo.ONE_LABEL,
    "/infer/semantic_segmentation": zoo.PIXELS,
}
FILES = picture_files.FILES
PICTURE = FILES["jpeg"]

_BOUNDARY = "b0undary"
_MULTIPART = f"multipart/form-data; boundary={_BOUNDARY}"
_MEDIA = ("application/json", "text/plain", "image/jpeg", "application/x-www-form-urlencoded")
_ODD_MEDIA = ("", ";", "multipart/form-data", "multipart/form-data; boundary=", 'text/plain; q="a')
_URLS = (
    *("http://pictures.example.com/a.jpg", "https://127.0.0.1/a.jpg", "https://localhost/"),
    *(
        "https://[::1]/",
        "https://0x7f.1/",
        "ftp://a.example.com/",
        "file:///etc/passwd",
        "https://",
    ),
    *("https:\\\\a.example.com", "//a.example.com", "https://a.example.com:0/", "https://[", "%00"),
)
"""None of them needs a look-up to be refused."""
_WISHES: dict[str, tuple[str, ...]] = {
    "api_key": ("k",),
    "confidence": ("0.4", "40", "best", "default", "0"),
    "overlap": ("0.3", "30"),
    "keypoint_confidence": ("0.5",),
    "format": ("json", "image", "image_and_json", "xml"),
    "labels": ("True", "on", "0"),
    "stroke": ("1", "9"),
    "max_detections": ("0", "1", "300"),
    "mask_decode_mode": ("accurate", "fast", "tradeoff"),
    "tradeoff_factor": ("0.5", "1"),
    "response_mask_format": ("polygon", "rle"),
    "image_type": ("base64", "numpy", "url", "file", "BASE64", "pil"),
    "disable_preproc_auto_orient": ("true", "F"),
    "image": _URLS,
}


def text(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


def good(route: str, data: bytes = PICTURE, **changes: Any) -> Shot:
    """Return a request that a route answers."""
    image = {"type": "base64", "value": text(data)}
    return Shot(route, orjson.dumps({"model_id": ROUTES[route], "image": image, **changes}), JSON)


def bodies(count: int, chance: Choice) -> Iterator[Shot]:
    """Yield v1 requests with damaged JSON, for all routes in turn."""
    small = (
        {"type": "base64", "value": text(FILES["lossless webp"])}
        if ("lossless webp" in FILES)
        else {"type": "base64", "value": text(FILES["png"])}
    )
    array = {"type": "numpy", "value": text(FILES["grey npy"])}
    for route, _ in zip(itertools.cycle(ROUTES), range(count), strict=False):
        address = {"type": "url", "value": chance.choice(_URLS)}
        image = chance.choice((small, small, array, address, [small, small], [small, address]))
        wishes: dict[str, Any] = {
            "confidence": chance.choice((0.4, "best", "default", "0.2", -1)),
            "iou_threshold": 0.3,
            "max_detections": chance.choice((0, 3, 300, None)),
            "class_filter": chance.choice((None, ["red"], ["purple"])),
            "class_agnostic_nms": True,
            "visualize_predictions": chance.random() < 0.2,
            "visualization_stroke_width": 2,
            "response_mask_format": chance.choice(("polygon", "rle", "base64_png")),
            "mask_decode_mode": "tradeoff",
            "tradeoff_factor": 0.5,
            "id": "mine",
            "disable_preproc_contrast": None,
            "source": "here",
        }
        kept = {name: wish for name, wish in wishes.items() if chance.random() < 0.5}
        model = ROUTES[route] if chance.random() < 0.8 else chance.choice(list(ROUTES.values()))
        whole = {"model_id": model, "image": image, "api_key": None, **kept}
        headers = JSON if chance.random() < 0.8 else {"content-type": _media(chance)}
        yield Shot(route, damage.json(whole, chance), headers)


def pictures(each: int, chance: Choice) -> Iterator[Shot]:
    """Yield requests with ``each`` damaged files of every kind in each of the three ways that
    files come in."""
    donors = list(FILES.values())
    for data, number in itertools.product(FILES.values(), range(each)):
        drawn = number % 4 == 0
        broken = [damage.file(data, donors, chance) for _ in range(3)]
        yield good(DETECTION, broken[0], visualize_predictions=drawn)
        older = f"/{zoo.BOXES}?format={'image' if drawn else 'json'}"
        yield Shot(older, text(broken[1]).encode(), JSON)
        yield Shot(older, multipart(broken[2]), {"content-type": _MULTIPART})


def multipart(data: bytes, name: str = "file") -> bytes:
    """Return a body with one file in it."""
    about = f'Content-Disposition: form-data; name="{name}"; filename="f"'
    return f"--{_BOUNDARY}\r\n{about}\r\n\r\n".encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()


def queries(count: int, chance: Choice) -> Iterator[Shot]:
    """Yield v0 requests with odd paths, queries, headers and bodies."""
    for _ in range(count):
        path = chance.choice(
            (*ROUTES.values(), "nobody/7", "coco/0", "coco%2F3", "coco/%00", "a/b")
        )
        pairs = [_wish(chance) for _ in range(chance.randrange(6))]
        content, media = _content(chance)
        headers = {"content-type": media} if chance.random() < 0.9 else {}
        method = chance.choice(("POST", "POST", "POST", "GET"))
        query = "&".join(pairs)
        yield Shot(f"/{path}?{query}" if query else f"/{path}", content, headers, method)


def management(count: int, chance: Choice) -> Iterator[Shot]:
    """Yield requests to load and unload, with damaged JSON; none of them is about a model that the
    other requests need."""
    for _ in range(count):
        name = chance.choice((zoo.SPARE, zoo.SPARE, "nobody/7", "a/b/c", "", "..", "x" * 300))
        body = {"model_id": name, "model_type": None, "api_key": "k"}
        content = damage.json(body, chance) if chance.random() < 0.9 else orjson.dumps(body)
        path = chance.choice(("/model/add", "/model/remove"))
        query = chance.choice(("", "?countinference=maybe", "?api_key=None&api_key=", "?%ff=%"))
        headers = JSON if chance.random() < 0.8 else {"content-type": _media(chance)}
        yield Shot(path + query, content, headers)


def _wish(chance: Choice) -> str:
    name = chance.choice(list(_WISHES))
    value = chance.choice(_WISHES[name])
    fate = chance.randrange(4)
    if fate == 0:
        value = chance.choice((*damage.TEXTS, *damage.NUMBERS))
    if fate == 1:
        return f"{name}={chance.choice(('%', '%zz', '%ff%fe', '%00', '&=&', '==', '+'))}"
    return f"{name}={urllib.parse.quote(value, safe='')}"


def _content(chance: Choice) -> tuple[bytes, str]:
    """Return a body and what it is said to be."""
    data = text(PICTURE).encode()
    plain = (
        *(
            data,
            data,
            b"data:image/jpeg;base64," + data,
            data[:-3],
            data[1:],
            PICTURE,
            b"",
            b"=" * 9,
        ),
        *(b"\xff\xfe\0", b"{}", text(FILES["npy"]).encode(), FILES["npy"], b"https://a/"),
    )
    if chance.random() < 0.7:
        return chance.choice(plain), _media(chance)
    body = multipart(PICTURE, chance.choice(("file", "file", "picture", "")))
    if chance.random() < 0.5:
        body = damage.file(body, plain[:2], chance)
    return body, _MULTIPART


def _media(chance: Choice) -> str:
    return chance.choice((*_MEDIA, *_ODD_MEDIA, _MULTIPART))
