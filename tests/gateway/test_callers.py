"""What a key is good for: which models, which routes, and how much at a time."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import prometheus_client
import pytest
from starlette import applications

from parallax.contract import roster
from tests.gateway import support

URL = "/infer/object_detection"
PICTURE = base64.b64encode(b"x")
KEYS = """
[[key]]
name = "some"
key = "some"
models = ["poisson", "yolov8n-640", "broken/1", "absent/1"]
[[key]]
name = "all"
key = "all"
[[key]]
name = "monitor"
key = "monitor"
models = []
admin = true
[[key]]
name = "plain"
key = "plain"
admin = false
[[key]]
name = "two"
key = "two"
max_concurrent = 2
"""

Client = Callable[[str], httpx.AsyncClient]


@pytest.fixture
def locked(rig: support.Rig, tmp_path: Path) -> applications.Starlette:
    """An application with these keys, and the models fish, bird, coco/3 and coco/4."""
    rig.models.replace(
        [support.model(), support.model("bird", aliases=()), support.model("coco/4", aliases=())],
        [support.model("coco/3", aliases=())],
        (roster.Package("broken/1", "/nowhere", roster.State.REFUSED, "", "no graph"),),
    )
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    return rig.locked(api_keys_file=str(path))


@pytest.fixture
async def as_(locked: applications.Starlette) -> AsyncIterator[Client]:
    """Return a client with this key."""
    async with contextlib.AsyncExitStack() as stack:

        def client(key: str) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(locked)
            made = httpx.AsyncClient(
                transport=transport,
                base_url="http://test",
                headers={"Authorization": f"Bearer {key}", "Content-Type": "text/plain"},
            )
            stack.push_async_callback(made.aclose)
            return made

        yield client


@pytest.mark.parametrize(
    ("key", "model", "status"),
    [
        ("some", "fish", 200),
        ("some", "poisson", 200),
        ("some", "bird", 403),
        ("some", "coco/4", 403),
        ("some", "coco/0", 200),
        ("some", "bird/0", 403),
        ("some", "never/heard", 403),
        ("some", "absent/1", 404),
        ("some", "broken/1", 500),
        ("all", "bird", 200),
        ("all", "never/heard", 404),
        ("plain", "bird", 200),
        ("monitor", "fish", 403),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
async def test_a_key_is_good_for_the_models_it_names(
    as_: Client, key: str, model: str, status: int, legacy: bool
) -> None:
    if legacy:
        answer = await as_(key).post(f"/{model}", content=PICTURE)
    else:
        answer = await as_(key).post(URL, json=support.call(model_id=model))

    assert answer.status_code == status
    if status == 403:
        assert answer.json() == {"message": f"This key may not use model {model}."}


async def test_a_name_in_the_list_is_the_model_that_it_means_and_no_other(
    as_: Client, rig: support.Rig
) -> None:
    rig.models.replace([support.model(), support.model("poisson", aliases=())])

    found = [
        (await as_("some").post(URL, json=support.call(model_id=model))).status_code
        for model in ("poisson", "fish")
    ]

    assert found == [200, 403]


@pytest.mark.parametrize("name", ["coco/3", "yolov8n-640"])
async def test_an_unloaded_model_is_loaded_for_a_key_that_may_use_it(
    as_: Client, rig: support.Rig, name: str
) -> None:
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(as_("some").post(URL, json=support.call(model_id=name)), name="a")
        await support.wait_until(lambda: rig.orders, "the supervisor is asked to load it")
        asked.cancel()

    assert [order.model for order in rig.orders] == ["coco/3"]


async def test_no_other_model_is_loaded(as_: Client, rig: support.Rig) -> None:
    unloaded = support.model("cold", aliases=())
    rig.models.replace([support.model()], [unloaded])

    for path, body in ((URL, support.call(model_id="cold")), ("/model/add", {"model_id": "cold"})):
        assert (await as_("some").post(path, json=body)).status_code == 403
    assert (await as_("some").get("/start/cold/1")).status_code == 403
    assert rig.orders == []


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        ("some", ["fish"]),
        ("all", ["bird", "coco/4", "fish"]),
        ("plain", ["bird", "coco/4", "fish"]),
        ("monitor", ["bird", "coco/4", "fish"]),
    ],
)
async def test_the_list_of_models_is_that_of_the_key(
    as_: Client, key: str, seen: list[str]
) -> None:
    await as_("all").get("/model/registry")

    listed = (await as_(key).get("/model/registry")).json()["models"]

    assert [model["model_id"] for model in listed] == seen


async def test_the_list_of_a_key_follows_the_models(as_: Client, rig: support.Rig) -> None:
    assert (await as_("some").get("/model/registry")).json()["models"]

    rig.models.replace([support.model("bird", aliases=())])

    assert (await as_("some").get("/model/registry")).json()["models"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status"),
        ("HEAD", "/status"),
        ("GET", "/logs"),
        ("POST", "/model/remove"),
        ("POST", "/model/clear"),
        ("GET", "/clear_cache"),
    ],
)
async def test_only_some_keys_manage_the_server(
    as_: Client, rig: support.Rig, method: str, path: str
) -> None:
    for key in ("some", "plain"):
        answer = await as_(key).request(method, path)
        assert answer.status_code == 403
        if method != "HEAD":
            message = "This needs a key that may manage the server."
            assert answer.json() == {"message": message}
    assert rig.orders == []


@pytest.mark.parametrize("key", ["all", "monitor"])
async def test_keys_that_manage_the_server_see_its_state(as_: Client, key: str) -> None:
    assert (await as_(key).get("/status")).status_code == 200


async def test_the_access_log_says_whose_key_it_was(
    rig: support.Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "parallax.access")
    transport = httpx.ASGITransport(rig.locked(api_keys=("secret",), access_log=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for key in ("secret", "wrong"):
            await client.get(f"/status?api_key={key}", headers={"X-Request-ID": "me"})

    assert [message.rpartition(" ms ")[2] for message in caplog.messages] == ["me key=key-1", "me"]


def held(app: Any, group: asyncio.TaskGroup, key: str = "two", pictures: int = 1) -> Any:
    """Send a request with this key, and return the exchange."""
    headers = [(b"authorization", b"Bearer " + key.encode())]
    made = support.Exchange(group, app, headers=headers)
    images = [support.image()] * pictures
    made.send(orjson.dumps(support.call(image=images[0] if pictures == 1 else images)))
    return made


async def test_a_key_at_its_limit_waits_for_itself_and_for_nobody_else(
    rig: support.Rig, locked: applications.Starlette
) -> None:
    rig.hand.automatic = None
    before = refusals()
    async with asyncio.TaskGroup() as group:
        inside = [held(locked, group) for _ in range(2)]
        taken = [await rig.hand.next() for _ in inside]
        late = held(locked, group)
        await late.ended()
        other = held(locked, group, "all")
        taken.append(await rig.hand.next())
        for each in taken:
            await rig.hand.answer(each)
        for exchange in (*inside, other):
            await exchange.ended()
        again = held(locked, group)
        await rig.hand.answer(await rig.hand.next())

    assert [each.status for each in (*inside, other, again)] == [200] * 4
    assert late.status == 429
    assert (b"retry-after", b"1") in late.messages[0]["headers"]
    message = "Key two is at its limit of 2 pictures in flight; try again in 1 s."
    assert late.json == {"message": message}
    assert refusals() - before == 1


async def test_the_refusal_does_not_wait_for_the_body(
    rig: support.Rig, locked: applications.Starlette
) -> None:
    rig.hand.automatic = None
    headers = [(b"authorization", b"Bearer two")]
    async with asyncio.TaskGroup() as group:
        inside = held(locked, group, pictures=2)
        taken = [await rig.hand.next() for _ in range(2)]
        late = support.Exchange(group, locked, headers=headers)
        late.send(b"{", more=True)
        await support.wait_until(lambda: late.status, "it is refused")
        late.hang_up()
        await late.ended()
        for each in taken:
            await rig.hand.answer(each)
        await inside.ended()

    assert (late.status, inside.status) == (429, 200)


async def test_pictures_count_and_not_requests(
    rig: support.Rig, locked: applications.Starlette
) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        one = held(locked, group)
        taken = await rig.hand.next()
        two = held(locked, group, pictures=2)
        await two.ended()
        await rig.hand.answer(taken)
        await one.ended()

    assert (one.status, two.status) == (200, 429)


async def test_more_than_a_key_may_ever_have_is_no_matter_of_waiting(as_: Client) -> None:
    body = support.call(image=[support.image()] * 3)

    answer = await as_("two").post(URL, json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "image"]
    assert (await as_("all").post(URL, json=body)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [(URL, b"no json"), (URL, b'{"model_id": "none"}'), ("/nowhere/at/all", b""), ("/status", b"")],
)
async def test_a_request_that_ends_in_any_way_gives_its_place_back(
    as_: Client, path: str, body: bytes
) -> None:
    for _ in range(3):
        assert (await as_("two").post(path, content=body)).status_code in {404, 405, 422}


async def test_a_client_that_hangs_up_gives_its_places_back(
    rig: support.Rig, locked: applications.Starlette
) -> None:
    rig.hand.automatic = None
    async with asyncio.TaskGroup() as group:
        gone = held(locked, group, pictures=2)
        for _ in range(2):
            await rig.hand.next()
        gone.hang_up()
        await gone.ended()
        late = held(locked, group)
        await rig.hand.answer(await rig.hand.next())
        await late.ended()

    assert (gone.messages, late.status) == ([], 200)


async def test_the_limit_of_all_keys_holds_for_each(rig: support.Rig) -> None:
    rig.hand.automatic = None
    app = rig.locked(api_keys=("a", "b"), key_concurrency=1)
    async with asyncio.TaskGroup() as group:
        inside = [held(app, group, key) for key in "ab"]
        taken = [await rig.hand.next() for _ in inside]
        late = held(app, group, "a")
        await late.ended()
        for each in taken:
            await rig.hand.answer(each)
        for exchange in inside:
            await exchange.ended()

    assert [each.status for each in (*inside, late)] == [200, 200, 429]
    assert late.json["message"].startswith("Key key-1 is at its limit")


def refusals() -> float:
    value = prometheus_client.REGISTRY.get_sample_value(
        "parallax_quota_refused_total", {"key": "two"}
    )
    return value or 0.0
