"""Listing, loading and unloading models over HTTP."""

import asyncio
from collections.abc import Awaitable

import httpx
import pytest

from parallax.contract import errors, lifeline, roster
from tests.gateway import support

FISH, BIRD = support.model("fish"), support.model("school/3", aliases=())


async def obeyed(rig: support.Rig, asking: Awaitable[httpx.Response]) -> httpx.Response:
    """Carry out the one order that a request leads to, as the supervisor would."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_response(asking))
        await support.wait_until(lambda: rig.orders, "an order")
        (order,) = rig.orders
        known = rig.models.known()
        chosen = [model for model in known if order.model in ("", model.id)]
        rest = [model for model in known if model not in chosen]
        loaded = [model for model in rest if rig.models.get(model.id)]
        loaded += chosen if order.load else []
        rig.models.replace(loaded, unloaded=[model for model in known if model not in loaded])
        rig.control.hear(lifeline.Obeyed(order.number, seconds=0.5))
    return waiting.result()


async def _response(asking: Awaitable[httpx.Response]) -> httpx.Response:
    return await asking


def listed(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [entry["model_id"] for entry in answer.json()["models"]]


async def test_the_registry_has_the_shape_the_sdk_reads(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/model/registry?api_key=None")

    memory = ["total_vram_bytes", "gpu_memory_used", "gpu_memory_total", "torch_cuda_allocated"]
    memory += ["torch_cuda_reserved", "torch_cuda_allocator_cache", "non_torch_gpu_memory"]
    assert answer.json() == {
        "models": [
            {
                "model_id": "fish",
                "task_type": "object-detection",
                "batch_size": None,
                "input_height": 32,
                "input_width": 64,
                "vram_bytes": None,
                "request_aliases": ["poisson"],
                "request_paths": ["/infer/object_detection", "/fish"],
            }
        ],
        **dict.fromkeys(memory),
    }


async def test_the_registry_names_public_models_by_their_id(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.models.replace([support.model("yolo11n-640", aliases=())])

    (entry,) = (await client.get("/model/registry")).json()["models"]

    assert entry["model_id"] == "coco/25"
    assert entry["request_aliases"] == ["yolo11n-640", "yolov11n-640"]


async def test_a_loaded_model_is_in_the_answer_already(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.models.replace([FISH], unloaded=[BIRD])
    assert listed(await client.get("/model/registry")) == ["fish"]

    body = {"model_id": "school/3", "model_type": None, "api_key": None}
    answer = await obeyed(rig, client.post("/model/add", json=body))

    assert listed(answer) == listed(await client.get("/model/registry")) == ["fish", "school/3"]


async def test_loading_by_an_alias_loads_the_model(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.models.replace([], unloaded=[support.model("coco/3", aliases=())])

    answer = await obeyed(rig, client.post("/model/add", json={"model_id": "yolov8n-640"}))

    assert listed(answer) == ["coco/3"]


async def test_loading_what_is_loaded_changes_nothing(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/model/add", json={"model_id": "fish"})

    assert (listed(answer), rig.orders) == (["fish"], [])


async def test_an_unloaded_model_is_not_listed(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.models.replace([FISH, BIRD])

    answer = await obeyed(rig, client.post("/model/remove", json={"model_id": "poisson"}))

    assert listed(answer) == ["school/3"]


async def test_unloading_what_is_not_there_is_done_already(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    broken = roster.Package("broken", "/x", roster.State.REFUSED)
    rig.models.replace([FISH], packages=(broken,))

    for name in ("nobody/7", "broken"):
        assert listed(await client.post("/model/remove", json={"model_id": name})) == ["fish"]
    assert rig.orders == []


@pytest.mark.parametrize("path", ["/model/clear", "/clear_cache"])
async def test_all_models_are_unloaded_without_a_body(
    rig: support.Rig, client: httpx.AsyncClient, path: str
) -> None:
    rig.models.replace([FISH, BIRD])
    method = "POST" if path == "/model/clear" else "GET"

    answer = await obeyed(rig, client.request(method, path))

    assert answer.json() == "Cache Cleared" if method == "GET" else listed(answer) == []
    assert listed(await client.get("/model/registry")) == []


async def test_the_older_form_of_loading(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.models.replace([], unloaded=[BIRD])

    answer = await obeyed(rig, client.get("/start/school/3?api_key=None"))

    assert answer.json()["status"] == 200
    assert "started" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/model/add", "/model/remove"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"{}", 422), (b'{"model_id":null}', 422), (b'{"model_id":"a/b/c"}', 400)],
)
async def test_a_model_must_be_named(
    client: httpx.AsyncClient, path: str, body: bytes, status: int
) -> None:
    assert (await client.post(path, content=body)).status_code == status


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("nobody/7", 404, "nobody/7"),
        ("broken", 500, "Model broken cannot be served: m.onnx: no outputs"),
    ],
)
async def test_what_cannot_be_loaded(
    rig: support.Rig, client: httpx.AsyncClient, name: str, status: int, text: str
) -> None:
    refused = roster.Package(
        "broken", "/x", roster.State.REFUSED, reason="/srv/my models/x/m.onnx: no outputs"
    )
    rig.models.replace([], packages=(refused,))

    answer = await client.post("/model/add", json={"model_id": name})

    assert (answer.status_code, text in answer.json()["message"]) == (status, True)


async def test_a_load_that_takes_too_long_is_504(client: httpx.AsyncClient) -> None:
    async with support.running(timeout=0.05) as rig, rig.client() as impatient:
        rig.models.replace([], unloaded=[BIRD])

        answer = await impatient.post("/model/add", json={"model_id": "school/3"})

    assert answer.status_code == 504


async def test_a_failed_load_says_so(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.models.replace([], unloaded=[BIRD])
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post("/model/add", json={"model_id": "school/3"}))
        await support.wait_until(lambda: rig.orders, "an order")
        failed = lifeline.Obeyed(rig.orders[0].number, code=errors.OverloadedError.code)
        rig.control.hear(failed)

    assert asked.result().status_code == 503
