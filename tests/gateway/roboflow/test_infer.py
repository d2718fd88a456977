"""The v1 inference routes of the Roboflow dialect, driven over the real application."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from parallax.broker import base
from parallax.contract import errors, lifeline, messages, roster
from parallax.gateway import problems
from parallax.gateway.roboflow import kinds
from tests.gateway import support

URL = "/infer/object_detection"
KEYS_IN_ORDER = ["inference_id", "time", "image", "predictions"]


async def test_one_picture_is_answered_with_one_object(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, json=support.call())

    assert answer.status_code == 200
    assert list(answer.json()) == KEYS_IN_ORDER
    assert answer.json()["image"] == {"width": 4, "height": 3}
    assert isinstance(answer.json()["time"], float)
    assert len(answer.json()["inference_id"]) == 36


@pytest.mark.parametrize("count", [1, 3])
async def test_a_list_is_answered_with_a_list(client: httpx.AsyncClient, count: int) -> None:
    body = support.call(image=[support.image()] * count, id="mine")

    answer = (await client.post(URL, json=body)).json()

    assert [list(item) for item in answer] == [KEYS_IN_ORDER] * count
    assert {item["inference_id"] for item in answer} == {"mine"}
    assert len({item["time"] for item in answer}) == 1


async def test_answers_come_in_the_order_of_the_pictures(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.hand.automatic = None
    body = support.call(image=[support.image(b"%d" % number) for number in range(3)])
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post(URL, json=body))
        taken = [await rig.hand.next() for _ in range(3)]
        for one in reversed(taken):
            await rig.hand.answer(one, b'{"image":%b,"predictions":[]}' % one.entry.bulk)

    assert [item["image"] for item in asked.result().json()] == [0, 1, 2]


async def test_an_id_is_a_label_and_is_escaped(client: httpx.AsyncClient) -> None:
    odd = 'a"b\\c\n\u00e9'

    answer = await client.post(URL, json=support.call(id=odd))

    assert answer.json()["inference_id"] == odd


async def test_equal_client_ids_do_not_meet(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post(URL, json=support.call(id="same")) for _ in range(5))
    )

    assert {answer.status_code for answer in answers} == {200}


async def test_headers_of_a_success(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, json=support.call(), headers={"X-Request-ID": "abc-1"})

    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-model-id"] == "fish"
    assert answer.headers["x-model-cold-start"] == "false"
    assert answer.headers["x-inference-engine"] == "parallax"
    assert answer.headers["content-type"] == "application/json"
    timing = answer.headers["server-timing"]
    parts = re.fullmatch(
        r"queue;dur=([\d.]+), pre;dur=1.00, infer;dur=2.00, post;dur=0.50, total;dur=([\d.]+)",
        timing,
    )
    assert parts is not None
    assert float(parts[1]) == pytest.approx(max(0.0, float(parts[2]) - 3.5), abs=0.011)


@pytest.mark.parametrize("path", ["/nowhere", "/info", "/readiness", "/clip/embed_image", URL])
async def test_every_answer_has_a_request_id(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-inference-engine"] == "parallax"


@pytest.mark.parametrize("given", ["x" * 129, "a b", "caf\u00e9".encode()])
async def test_an_unusable_request_id_is_replaced(
    client: httpx.AsyncClient, given: str | bytes
) -> None:
    answer = await client.get("/info", headers=[(b"x-request-id", given)])  # type: ignore[arg-type]

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_parameters_reach_the_stages(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.hand.automatic = None
    body = support.call(
        confidence="0.25",
        iou_threshold=1,
        max_detections="7",
        class_agnostic_nms=True,
        class_filter=["eel"],
        disable_preproc_auto_orient=True,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(client.post(URL, json=body))
        taken = await rig.hand.next()
        await rig.hand.answer(taken)

    assert taken.work.params == messages.DetectionParams(0.25, 1.0, 7, True, ("eel",))
    assert taken.work.image == messages.ImageOptions(auto_orient=False)
    assert taken.entry.bulk == support.PICTURE
    assert taken.work.model == "fish"


@pytest.mark.parametrize(
    "changes",
    [
        {"confidence": 1},
        {"confidence": "best"},
        {"confidence": "default"},
        {"iou_threshold": None, "max_detections": None, "class_agnostic_nms": None},
        {"class_filter": None, "visualize_predictions": None, "fix_batch_size": None},
        {"visualize_predictions": False, "unknown": {"a": [1]}, "api_key": None},
        {"api_key": 5, "source": 3, "usage_billable": "x"},
        {"model_id": "poisson"},
        {"max_detections": 10.0},
        {"image": {"type": "BASE64", "value": "data:image/jpeg;base64,AAAA"}},
        {"image": {"type": "base64", "value": "data:image/svg+xml;base64,AA AA\n"}},
        {"image": {"type": "base64", "value": "AAA"}},
    ],
)
async def test_lenient_input_is_served(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    answer = await client.post(URL, json=support.call(**changes))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("value", ["QUJD", "data:image/png;base64,QUJD", "Q U-J\u00e9D", "QUJD=="])
async def test_base64_is_decoded_leniently(
    rig: support.Rig, client: httpx.AsyncClient, value: str
) -> None:
    rig.hand.automatic = None
    body = support.call(image={"type": "base64", "value": value})
    async with asyncio.TaskGroup() as group:
        group.create_task(client.post(URL, json=body))
        taken = await rig.hand.next()
        await rig.hand.answer(taken)

    assert taken.entry.bulk == b"ABC"


@pytest.mark.parametrize("key", ["query", "header", "body", "none"])
async def test_keys_are_accepted_everywhere(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(
        URL,
        params={"api_key": "k"} if key == "query" else {},
        headers={"Authorization": "Bearer k"} if key == "header" else {},
        json=support.call(**({"api_key": "k"} if key == "body" else {})),
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "bad"])
async def test_the_content_type_does_not_matter(
    client: httpx.AsyncClient, kind: str | None
) -> None:
    content = client.build_request("POST", URL, json=support.call()).content
    headers = {"Content-Type": kind} if kind else {}

    answer = await client.post(URL, content=content, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changes", "kind", "loc"),
    [
        ({"model_id": None}, "type_error", ["body", "model_id"]),
        ({"id": None}, "type_error", ["body", "id"]),
        ({"id": 5}, "type_error", ["body", "id"]),
        ({"image": None}, "type_error", ["body", "image"]),
        ({"image": "abc"}, "type_error", ["body", "image"]),
        ({"image": {}}, "missing", ["body", "image", "type"]),
        ({"image": [{"type": 4}]}, "type_error", ["body", "image", 0, "type"]),
        ({"image": []}, "too_short", ["body", "image"]),
        ({"confidence": None}, "type_error", ["body", "confidence"]),
        ({"confidence": "high"}, "type_error", ["body", "confidence"]),
        ({"confidence": "nan"}, "out_of_range", ["body", "confidence"]),
        ({"confidence": [0.4]}, "type_error", ["body", "confidence"]),
        ({"iou_threshold": "x"}, "type_error", ["body", "iou_threshold"]),
        ({"iou_threshold": "inf"}, "out_of_range", ["body", "iou_threshold"]),
        ({"max_detections": -1}, "out_of_range", ["body", "max_detections"]),
        ({"max_detections": 10**30}, "out_of_range", ["body", "max_detections"]),
        ({"class_filter": "eel"}, "type_error", ["body", "class_filter"]),
        ({"class_filter": ["eel", 3]}, "type_error", ["body", "class_filter", 1]),
        ({"class_filter": ["e" * 257]}, "too_long", ["body", "class_filter", 0]),
        ({"class_filter": ["e"] * 1001}, "too_long", ["body", "class_filter"]),
        ({"model_id": "m" * 257}, "too_long", ["body", "model_id"]),
        ({"id": "i" * 257}, "too_long", ["body", "id"]),
        ({"class_agnostic_nms": "perhaps"}, "type_error", ["body", "class_agnostic_nms"]),
    ],
)
async def test_a_violation_of_the_schema_is_422(
    client: httpx.AsyncClient, changes: dict[str, Any], kind: str, loc: list[str | int]
) -> None:
    answer = await client.post(URL, json=support.call(**changes))

    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert (detail["type"], detail["loc"]) == (kind, loc)
    assert detail["msg"]


@pytest.mark.parametrize("missing", ["model_id", "image"])
async def test_a_missing_field_is_422(client: httpx.AsyncClient, missing: str) -> None:
    body = support.call()
    del body[missing]

    answer = await client.post(URL, json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", missing]
    assert answer.json()["detail"][0]["type"] == "missing"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"nonsense", b'{"id":"\xff"}', b'{"a":' + b"[" * 100_000, b"\x00"]
)
async def test_what_is_not_json_is_422(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post(URL, content=content)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "json_invalid"


async def test_json_that_is_no_object_is_422(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, content=b"[1]")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ({"type": "base64", "value": ""}, "empty"),
        ({"type": "base64", "value": "data:image/png;base64,"}, "empty"),
        ({"type": "base64", "value": "!!!"}, "empty"),
        ({"type": "base64", "value": "A"}, "not valid base64"),
        ({"type": "base64", "value": None}, "must be a string"),
        ({"type": "base64"}, "must be a string"),
        ({"type": "base64", "value": {"a": 1}}, "must be a string"),
        ({"type": "URL", "value": None}, "must be a string"),
        ({"type": "url", "value": "http://a.example.com/a.jpg"}, "non https:// URL"),
        ({"type": "file", "value": "/etc/passwd"}, "Loading files of the server is disabled"),
        ({"type": "", "value": "x"}, "not known"),
    ],
)
async def test_a_bad_image_object_is_400(
    rig: support.Rig, client: httpx.AsyncClient, image: dict[str, Any], text: str
) -> None:
    answer = await client.post(URL, json=support.call(image=[support.image(), image]))

    assert answer.status_code == 400
    assert text in answer.json()["message"]
    assert rig.hand.seen == 0


@pytest.mark.parametrize(
    ("model_id", "status"),
    [
        ("a/b/c", 400),
        ("../etc", 400),
        ("a/..", 400),
        ("", 400),
        ("/a", 400),
        ("a/", 400),
        ("unknown", 404),
        ("coco/3", 404),
        ("unknown/1", 404),
        ("classy", 400),
        ("broken", 500),
    ],
)
async def test_a_model_that_cannot_answer(
    rig: support.Rig, client: httpx.AsyncClient, model_id: str, status: int
) -> None:
    broken = roster.Package("broken", "/somewhere", roster.State.REFUSED, reason="/somewhere/x")
    classy = support.model("classy", task="classification")
    rig.models.replace([support.model(), classy], packages=(broken,))

    answer = await client.post(URL, json=support.call(model_id=model_id))

    assert answer.status_code == status
    assert list(answer.json()) == ["message"]


async def test_a_broken_package_is_named(rig: support.Rig, client: httpx.AsyncClient) -> None:
    broken = roster.Package("plain/1", "/m", roster.State.REFUSED, reason="/m/1.onnx: no outputs")
    rig.models.replace([], packages=(broken,))

    answer = await client.post(URL, json=support.call(model_id="plain/1"))

    assert answer.json()["message"] == ("Model package plain/1 is broken; GET /status says why.")


@pytest.mark.parametrize("served", ["yolov8n-640", "coco/3"])
@pytest.mark.parametrize("asked", ["yolov8n-640", "coco/3"])
async def test_public_names_and_ids_mean_the_same_model(
    rig: support.Rig, client: httpx.AsyncClient, served: str, asked: str
) -> None:
    rig.models.replace([support.model(served)])

    answer = await client.post(URL, json=support.call(model_id=asked))

    assert answer.status_code == 200
    assert answer.headers["x-model-id"] == served


async def test_too_many_images_are_422(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, json=support.call(image=[support.image()] * 65))

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "too_long"


async def test_more_images_than_may_ever_be_in_flight_are_422() -> None:
    async with support.running(max_in_flight=2) as rig, rig.client() as client:
        answer = await client.post(URL, json=support.call(image=[support.image()] * 3))

    assert answer.status_code == 422


FAILURES: list[errors.ParallaxError] = [
    errors.BadImageError("broken"),
    errors.PoisonedError("killed its workers"),
    errors.ModelFailedError("raised"),
    errors.DeadlineExceededError("late"),
    errors.InternalError("secret"),
    errors.UnknownModelError("gone"),
    errors.TensorLostError("secret"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.code)
async def test_an_error_reply_becomes_its_status(
    rig: support.Rig, client: httpx.AsyncClient, failure: errors.ParallaxError
) -> None:
    rig.hand.automatic = lambda taken: failure

    answer = await client.post(URL, json=support.call())

    assert answer.status_code == problems.STATUS[failure.code]
    hidden = failure.message == "secret"
    assert answer.json() == {"message": "Internal error." if hidden else failure.message}


async def test_a_fragment_that_is_no_object_is_an_internal_error(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.hand.automatic = lambda taken: b"nonsense"

    answer = await client.post(URL, json=support.call())

    assert (answer.status_code, answer.json()) == (500, {"message": "Internal error."})


async def test_not_ready_is_503_before_the_body_is_read(rig: support.Rig) -> None:
    rig.board.health = None
    async with asyncio.TaskGroup() as group:
        exchange = support.Exchange(group, rig.app)
        await support.wait_until(lambda: len(exchange.messages) >= 2, "an answer without a body")
        exchange.hang_up()

    assert exchange.status == 503
    assert "starting" in exchange.json["message"]
    assert (b"retry-after", b"1") in exchange.messages[0]["headers"]


async def test_a_request_that_still_comes_while_draining_is_answered(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.board.drain()

    answer = await client.post(URL, json=support.call())
    ready = await client.get("/readiness")

    assert answer.status_code == 200
    assert (ready.status_code, ready.json()["reason"]) == (503, "stopping")


async def test_overload_is_503_with_retry_after() -> None:
    async with support.running(max_in_flight=2) as rig, rig.client() as client:
        rig.hand.automatic = None
        async with asyncio.TaskGroup() as group:
            first = group.create_task(client.post(URL, json=support.call()))
            taken = await rig.hand.next()
            two = await client.post(URL, json=support.call(image=[support.image()] * 2))
            second = group.create_task(client.post(URL, json=support.call()))
            also = await rig.hand.next()
            one = await client.post(URL, json=support.call())
            await rig.hand.answer(taken)
            await rig.hand.answer(also)

        assert (one.status_code, two.status_code) == (503, 503)
        assert 1 <= int(one.headers["retry-after"]) <= 60
        assert (first.result().status_code, second.result().status_code) == (200, 200)
        assert rig.dispatcher.in_flight == 0


async def test_the_client_may_wait_less_long() -> None:
    async with support.running(timeout=30) as rig, rig.client() as client:
        rig.hand.automatic = None
        hasty = await client.post(URL, json=support.call(), headers={"X-Request-Timeout": "0.05"})
        wrong = await client.post(URL, json=support.call(), headers={"X-Request-Timeout": "soon"})

        assert hasty.status_code == 504
        assert wrong.status_code == 422
        assert wrong.json()["detail"][0]["loc"] == ["header", "x-request-timeout"]
        assert rig.dispatcher.in_flight == 0


async def test_who_would_be_answered_too_late_is_refused_at_once() -> None:
    async with support.running(timeout=30) as rig, rig.client() as client:
        rig.hand.automatic = None
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(client.post(URL, json=support.call()))
            taken = await rig.hand.next()
            soon = {"X-Request-Timeout": "0.05"}
            hasty = await client.post(URL, json=support.call(), headers=soon)
            await client.post(URL, json=support.call(), headers=soon)  # one may try
            late = await client.post(URL, json=support.call(), headers=soon)
            await rig.hand.answer(taken)

        assert (hasty.status_code, late.status_code) == (504, 503)
        assert "too late" in late.json()["message"]
        assert int(late.headers["retry-after"]) >= 1
        assert slow.result().status_code == 200


async def test_the_deadline_is_504_and_takes_the_work_back() -> None:
    async with support.running(timeout=0.05) as rig, rig.client() as client:
        rig.hand.automatic = None

        answer = await client.post(URL, json=support.call())

        assert answer.status_code == 504
        await support.wait_until(lambda: rig.line.sent(base.Cancel), "a cancellation")
        assert rig.dispatcher.in_flight == 0


async def test_an_unreachable_broker_is_503(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.line.cut = True

    answer = await client.post(URL, json=support.call())
    rig.line.cut = False

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


async def test_a_bug_is_an_internal_error_and_logged(
    rig: support.Rig,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(rig.models, "get", lambda name: 1 // 0)

    answer = await client.post(URL, json=support.call(api_key="hidden-key"))

    assert (answer.status_code, answer.json()) == (500, {"message": "Internal error."})
    assert "ZeroDivisionError" in caplog.text
    assert "hidden-key" not in caplog.text


@pytest.mark.parametrize("kind", kinds.ALL, ids=lambda kind: kind.task)
async def test_every_task_has_a_route_and_its_own_parameters(
    rig: support.Rig, client: httpx.AsyncClient, kind: kinds.Kind
) -> None:
    rig.models.replace([support.model(task=kind.task)])
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post(kind.path, json=support.call(confidence=0.7)))
        taken = await rig.hand.next()
        await rig.hand.answer(taken)

    assert asked.result().status_code == 200
    assert taken.work.params.confidence == 0.7
    named = {kind.call.__name__.removesuffix("Call"), "Keypoint", "Detection"}
    assert type(taken.work.params).__name__.removesuffix("Params") in named


@pytest.mark.parametrize("kind", kinds.ALL, ids=lambda kind: kind.task)
async def test_a_route_answers_for_its_own_task_only(
    rig: support.Rig, client: httpx.AsyncClient, kind: kinds.Kind
) -> None:
    rig.models.replace([support.model(task=other.task) for other in kinds.ALL if other != kind])

    answer = await client.post(kind.path, json=support.call())

    assert answer.status_code == 400
    assert kind.task in answer.json()["message"]


async def test_a_drawing_comes_inside_the_json(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.hand.automatic = None
    body = support.call(visualize_predictions=True, visualization_stroke_width=3)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post(URL, json=body))
        taken = await rig.hand.next()
        await rig.hand.answer(taken, b'{"image":{},"predictions":[],"visualization":"AA=="}')

    assert taken.work.params.drawing == messages.Drawing(labels=False, stroke=3)
    assert list(asked.result().json()) == [*KEYS_IN_ORDER, "visualization"]


async def test_a_model_that_is_not_loaded_is_loaded_first(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.models.replace([], unloaded=[support.model()])
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post(URL, json=support.call()))
        await support.wait_until(lambda: rig.orders, "an order to load")
        (order,) = rig.orders
        rig.models.replace([support.model()])
        rig.control.hear(lifeline.Obeyed(order.number, seconds=1.25))

    headers = asked.result().headers
    assert (order.load, order.model) == (True, "fish")
    assert headers["x-model-cold-start"] == "true"
    assert headers["x-model-cold-start-count"] == "1"
    assert headers["x-model-load-time"] == "1.250000"
    assert headers["x-model-load-details"] == '[{"m":"fish","t":1.25}]'


async def test_a_model_that_cannot_be_loaded_is_a_broken_package(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.models.replace([], unloaded=[support.model()])
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post(URL, json=support.call()))
        await support.wait_until(lambda: rig.orders, "an order to load")
        code = errors.ModelRefusedError.code
        rig.control.hear(
            lifeline.Obeyed(rig.orders[0].number, code=code, message="/a/m.onnx: too large")
        )

    assert asked.result().status_code == 500
    assert asked.result().json() == {"message": "m.onnx: too large"}


@pytest.mark.parametrize("many", [False, True])
async def test_version_0_of_a_known_project_is_a_stub(
    rig: support.Rig, client: httpx.AsyncClient, many: bool
) -> None:
    rig.models.replace([support.model("school/3")])
    body = support.call(model_id="school/0", id="mine")

    answer = await client.post(URL, json=body | {"image": [body["image"]] * 2} if many else body)

    assert answer.status_code == 200
    for stub in answer.json() if many else [answer.json()]:
        assert stub.pop("time") >= 0
        assert stub == {
            "is_stub": True,
            "model_id": "school/0",
            "task_type": "object-detection",
            "inference_id": "mine",
        }
    assert rig.hand.seen == 0


async def test_version_0_of_an_unknown_project_is_404(client: httpx.AsyncClient) -> None:
    assert (await client.post(URL, json=support.call(model_id="school/0"))).status_code == 404
