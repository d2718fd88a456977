"""The v0 route: the model in the path, wishes in the query, the picture as the body."""

import asyncio
import base64
from typing import Any

import httpx
import pytest

from parallax.contract import messages, tasks
from parallax.gateway import problems
from parallax.gateway.remote import fetch
from parallax.gateway.roboflow import kinds, query
from tests.gateway import support

URL = "/school/3"
BARE = base64.b64encode(support.PICTURE)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _school(rig: support.Rig) -> None:
    rig.models.replace([support.model("school/3"), support.model("coco/3", aliases=())])


async def taken(
    rig: support.Rig, client: httpx.AsyncClient, url: str = URL, **request: Any
) -> tuple[support.Taken, httpx.Response]:
    """Send a request and return what arrived behind the broker, and the answer."""
    rig.hand.automatic = None
    request = {"content": BARE, "headers": JSON} | request
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post(url, **request))
        found = await rig.hand.next()
        await rig.hand.answer(found)
    assert asked.result().status_code == 200
    return found, asked.result()


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "odd", ""]
)
async def test_bare_base64_is_the_picture_whatever_the_header_says(
    rig: support.Rig, client: httpx.AsyncClient, kind: str
) -> None:
    found, answer = await taken(rig, client, headers={"Content-Type": kind})

    assert (found.entry.bulk, found.work.model) == (support.PICTURE, "school/3")
    assert list(answer.json()) == ["inference_id", "time", "image", "predictions"]


async def test_a_multipart_file_is_the_picture(rig: support.Rig, client: httpx.AsyncClient) -> None:
    large = b"\xff\xd8" + bytes(2_000_000)
    parts = {"name": "ignored"}

    found, _ = await taken(
        rig, client, content=None, headers={}, data=parts, files={"file": ("a.jpg", large)}
    )

    assert found.entry.bulk == large


@pytest.mark.parametrize("media", ["image/jpeg", "application/x-www-form-urlencoded"])
async def test_a_body_may_be_the_picture_itself(
    rig: support.Rig, client: httpx.AsyncClient, media: str
) -> None:
    found, _ = await taken(rig, client, content=support.PICTURE, headers={"Content-Type": media})

    assert found.entry.bulk == support.PICTURE


async def test_a_get_may_have_a_body(rig: support.Rig, client: httpx.AsyncClient) -> None:
    answer = await client.request("GET", URL, content=BARE, headers=JSON)

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/yolov8n-640", "/coco/3", "/coco%2F3"])
async def test_ids_and_aliases_lead_to_the_model(
    rig: support.Rig, client: httpx.AsyncClient, path: str
) -> None:
    found, _ = await taken(rig, client, path)

    assert found.work.model == "coco/3"


@pytest.mark.parametrize(
    ("content", "headers", "text"),
    [
        (b"", JSON, "empty"),
        (b"data:image/png;base64,", JSON, "empty"),
        (b"", {"Content-Type": "multipart/form-data; boundary=x"}, "multipart"),
        (b"x", {"Content-Type": "multipart/form-data"}, "multipart"),
        (b"--x\r\n\r\nnonsense", {"Content-Type": "multipart/form-data; boundary=x"}, "multipart"),
    ],
)
async def test_a_body_without_a_picture_is_400(
    rig: support.Rig,
    client: httpx.AsyncClient,
    content: bytes,
    headers: dict[str, str],
    text: str,
) -> None:
    answer = await client.post(URL, content=content, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Could not load input image. Cause: ")
    assert text in answer.json()["message"]
    assert rig.hand.seen == 0


@pytest.mark.parametrize(
    "parts",
    [{"other": ("a.jpg", b"x")}, {"file": (None, b"x")}, {"file": ("a.jpg", b"")}],
    ids=["another name", "a field", "empty"],
)
async def test_a_multipart_body_without_the_file_is_400(
    client: httpx.AsyncClient, parts: dict[str, Any]
) -> None:
    answer = await client.post(URL, files=parts)

    assert answer.status_code == 400
    assert '"file"' in answer.json()["message"]


async def test_too_many_parts_are_400(client: httpx.AsyncClient) -> None:
    parts = [("file", (f"{number}.jpg", b"x")) for number in range(33)]

    assert (await client.post(URL, files=parts)).status_code == 400


async def test_no_content_type_is_400(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, content=BARE)

    assert answer.status_code == 400
    assert "Content-Type" in answer.json()["message"]


@pytest.mark.parametrize("kind", ["file", "pil", "nonsense"])
async def test_a_type_that_is_not_served_is_400(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post(f"{URL}?image_type={kind}", content=BARE, headers=JSON)

    assert answer.status_code == 400


async def test_an_image_in_the_query_is_fetched_and_the_body_ignored(
    rig: support.Rig, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetched(self: fetch.Fetcher, url: str, until: float) -> bytes:
        return url.encode()

    monkeypatch.setattr(fetch.Fetcher, "fetch", fetched)
    url = "https://a.example.com/b.jpg?c=d"

    found, _ = await taken(rig, client, params={"image": url}, content=b"\xff", headers={})

    assert found.entry.bulk == url.encode()


async def test_parameters_reach_the_stages(rig: support.Rig, client: httpx.AsyncClient) -> None:
    wishes = {
        "confidence": "25",
        "overlap": 0.5,
        "max_detections": "7",
        "labels": "True",
        "stroke": 3,
        "format": "image_and_json",
        "disable_preproc_contrast": "yes",
        "disable_active_learning": "False",
        "api_key": "k",
    }
    found, _ = await taken(rig, client, params=wishes)

    drawing = messages.Drawing(labels=True, stroke=3)
    assert found.work.params == messages.DetectionParams(0.25, 0.5, 7, drawing=drawing)
    assert found.work.image == messages.ImageOptions(contrast=False)


async def test_a_drawing_alone_is_a_jpeg(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.hand.automatic = lambda taken: b"\xff\xd8 drawn"

    answer = await client.post(f"{URL}?format=image", content=BARE, headers=JSON)

    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == b"\xff\xd8 drawn"
    assert answer.headers["x-model-id"] == "school/3"


@pytest.mark.parametrize("text", ["json", "", "IMAGE", "anything"])
async def test_any_other_format_is_json(
    rig: support.Rig, client: httpx.AsyncClient, text: str
) -> None:
    found, _ = await taken(rig, client, params={"format": text})

    assert found.work.params.drawing is None


@pytest.mark.parametrize(
    ("wishes", "name"),
    [
        ("confidence=high", "confidence"),
        ("overlap=", "overlap"),
        ("stroke=0", "stroke"),
        ("labels=perhaps", "labels"),
        ("response_mask_format=png", "response_mask_format"),
        ("confidence=0.4&confidence=0.5", "confidence"),
    ],
)
async def test_a_wrong_parameter_is_422(client: httpx.AsyncClient, wishes: str, name: str) -> None:
    answer = await client.post(f"{URL}?{wishes}", content=BARE, headers=JSON)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", name]


@pytest.mark.parametrize("path", ["/nobody/7", "/nobody"])
async def test_an_unknown_model_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=BARE, headers=JSON)

    assert answer.status_code == 404
    assert "nobody" in answer.json()["message"]


async def test_version_0_is_a_stub(client: httpx.AsyncClient) -> None:
    answer = await client.post("/school/0", content=BARE, headers=JSON)

    assert answer.status_code == 200
    assert answer.json()["is_stub"] is True
    assert answer.json()["task_type"] == "object-detection"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [(0.4, 0.4), (1.0, 0.01), (40.0, 0.4), (0.0, 0.01), (-5.0, 0.01), (100.0, 1.0)],
)
def test_confidence_may_be_in_percent_and_has_a_floor(asked: float, meant: float) -> None:
    call = query.Query(confidence=asked).call(kinds.BY_TASK[tasks.OBJECT_DETECTION], "m")

    assert call.params(support.model()).confidence == meant


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            tasks.INSTANCE_SEGMENTATION,
            messages.SegmentationParams(mask_format="rle", mask_detail=0),
        ),
        (tasks.KEYPOINT_DETECTION, messages.KeypointParams(keypoint_confidence=0.2)),
        (tasks.CLASSIFICATION, messages.ClassificationParams()),
        (tasks.SEMANTIC_SEGMENTATION, messages.SemanticParams()),
    ],
)
def test_each_task_takes_what_it_knows(task: str, expected: messages.Params) -> None:
    asked = query.Query(
        response_mask_format="rle", mask_decode_mode="fast", keypoint_confidence=0.2
    )

    assert asked.call(kinds.BY_TASK[task], "m").params(support.model()) == expected


def test_keypoints_do_not_know_best() -> None:
    with pytest.raises(problems.InvalidBodyError) as caught:
        query.Query(confidence="best").call(kinds.BY_TASK[tasks.KEYPOINT_DETECTION], "m")

    assert caught.value.location == ("query", "confidence")
