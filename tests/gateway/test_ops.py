"""Routes for operators, the pages, and what paths that do not exist answer."""

import asyncio
import dataclasses
import os
import pathlib
import subprocess
import sys

import httpx
import pytest

from parallax.contract import errors, lifeline, roster
from parallax.gateway import app, context, metrics, problems, site
from parallax.settings import concerns
from tests.gateway import support

GETS = ["/", "/docs", "/redoc", "/openapi.json", "/info", "/healthz", "/readiness"]
GETS += ["/model/registry", "/metrics", "/status"]


async def test_info_has_three_strings(client: httpx.AsyncClient) -> None:
    answer = await client.get("/info")

    assert answer.json() == {"name": "parallax", "version": "1.2.3", "uuid": "the-uuid"}


async def test_health_is_liveness_only(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.board.drain()

    assert (await client.get("/healthz")).json() == {"status": "healthy"}


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (None, "starting"),
        (lifeline.Health(False, "no infer worker", 0.0, ()), "no infer worker"),
        (lifeline.Health(False, "", 0.0, ()), "not ready"),
    ],
)
async def test_readiness_tells_why_not(
    rig: support.Rig,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    health: lifeline.Health | None,
    reason: str,
) -> None:
    monkeypatch.setattr(context.HealthBoard, "GRACE", -1.0)
    rig.board.health = health

    answer = await client.get("/readiness")
    refused = await client.post("/infer/object_detection", json=support.call())

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "reason": reason}
    assert answer.headers["retry-after"] == "1"
    assert (refused.status_code, reason in refused.json()["message"]) == (503, True)


async def test_requests_are_taken_in_while_a_stage_is_being_replaced(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    rig.board.update(lifeline.Health(False, "no live process: infer", 0.0, ()))

    assert (await client.get("/readiness")).status_code == 503
    assert (await client.post("/infer/object_detection", json=support.call())).status_code == 200


def test_grace_ends_and_begins_again_with_the_next_readiness() -> None:
    now = [100.0]
    board = context.HealthBoard(lambda: now[0])
    broken, ready = lifeline.Health(False, "", 0.0, ()), lifeline.Health(True, "", 0.0, ())
    board.update(broken)
    with pytest.raises(errors.NotReadyError):
        board.check()
    board.update(ready)
    board.update(broken)
    board.check()
    now[0] += board.GRACE + 0.1
    with pytest.raises(errors.NotReadyError):
        board.check()


async def test_readiness_when_ready(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readiness")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_status_tells_what_there_is(rig: support.Rig, client: httpx.AsyncClient) -> None:
    status = (await client.get("/status")).json()

    uptime = status["processes"][0].pop("uptime_s")
    assert uptime > 3.0
    assert status["processes"] == [
        {"role": "pre", "slot": 0, "pid": 7, "state": "ready", "restarts": 1, "reason": ""}
    ]
    assert status["models"] == [
        {
            "id": "fish",
            "state": "loaded",
            "task": "object-detection",
            "family": "yolo",
            "input": [64, 32],
            "fused": True,
            "labels": 2,
            "version": "v1",
            "reason": "",
            "package": "nowhere.onnx",
        }
    ]
    assert {"pre", "infer:here:fish", "post:here"} <= set(status["streams"])
    assert set(status["streams"]["pre"]) == {"length", "pending", "consumers"}
    assert (status["ready"], status["reason"], status["broker"]) == (True, "", "ok")
    assert (status["version"], status["node"], status["in_flight"]) == ("1.2.3", "here", 0)


async def test_status_names_what_is_not_served_and_why(
    rig: support.Rig, client: httpx.AsyncClient
) -> None:
    packages = (
        roster.Package("cat", "/m/cat.onnx", roster.State.REFUSED, reason="/m/a b.toml: no TOML"),
        roster.Package("bird", "/m/bird.onnx", roster.State.UNLOADED, "v7"),
    )
    rig.models.replace([], [support.model("bird")], packages)

    cat, bird = (await client.get("/status")).json()["models"]

    assert cat == {
        "id": "cat",
        "state": "refused",
        "version": "",
        "reason": "a b.toml: no TOML",
        "package": "cat.onnx",
    }
    assert (bird["state"], bird["version"], bird["labels"]) == ("unloaded", "v7", 2)


async def test_status_says_where_in_the_models_a_package_lies_and_no_more(rig: support.Rig) -> None:
    folders = concerns.ModelSettings(models=("/srv/models", "/srv/one.onnx"))
    rig.settings = dataclasses.replace(rig.settings, models=folders)
    paths = ("/srv/models/cat/3/weights.onnx", "/srv/one.onnx", "/usr/lib/demo.onnx")
    packages = tuple(roster.Package(path, path, roster.State.UNLOADED) for path in paths)
    rig.models.replace([], [], packages)

    async with rig.client() as client:
        rows = (await client.get("/status")).json()["models"]

    assert [row["package"] for row in rows] == ["cat/3/weights.onnx", "one.onnx", "demo.onnx"]


async def test_packages_are_counted_by_state(client: httpx.AsyncClient) -> None:
    metrics.show_packages(
        [
            roster.Package("a", "", roster.State.LOADED),
            roster.Package("b", "", roster.State.REFUSED),
        ]
    )

    text = (await client.get("/metrics")).text

    for state, count in (("loaded", 1), ("refused", 1), ("unloaded", 0)):
        assert f'parallax_models{{state="{state}"}} {count}.0' in text


async def test_alerts_find_the_health_that_the_supervisor_told(client: httpx.AsyncClient) -> None:
    rows = [lifeline.ProcessInfo("pre", slot, 7, "ready", 2, 1.0) for slot in range(2)]
    for ready in (True, False):
        metrics.show_health(lifeline.Health(ready, "", 0.0, tuple(rows)))

        text = (await client.get("/metrics")).text

        assert f"\nparallax_ready {int(ready)}.0" in text
        assert 'parallax_restarts{role="pre"} 4.0' in text


async def test_the_limit_of_pictures_in_flight_is_shown() -> None:
    async with support.running(max_in_flight=7) as rig, rig.client() as client:
        assert "\nparallax_max_in_flight 7.0" in (await client.get("/metrics")).text


async def test_every_outcome_is_shown_before_it_happens(client: httpx.AsyncClient) -> None:
    codes = {"ok", "client_gone", "poisoned", "overloaded", "bad_image", "slow_body"}

    text = (await client.get("/metrics")).text

    assert codes <= _outcomes().keys()
    assert not {"unauthorized", "cannot_start"} & _outcomes().keys()
    for code in metrics.BURIED:
        assert f'parallax_dead_letters_total{{code="{code}"}}' in text


async def test_status_works_without_a_broker(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.line.cut = True
    answer = await client.get("/status")
    rig.line.cut = False

    assert answer.status_code == 200
    assert (answer.json()["streams"], answer.json()["broker"]) == ({}, "unreachable")


async def test_status_before_the_first_report(rig: support.Rig, client: httpx.AsyncClient) -> None:
    rig.board.health = None

    status = (await client.get("/status")).json()

    assert (status["ready"], status["reason"], status["processes"]) == (False, "starting", [])


async def test_metrics_are_text(client: httpx.AsyncClient) -> None:
    await client.post("/infer/object_detection", json=support.call())

    text = (await client.get("/metrics")).text

    assert 'parallax_stage_seconds_bucket{le="+Inf",model="fish",stage="pre"}' in text
    assert 'handler="/infer/object_detection",method="POST",status="2xx"' in text


def test_one_scrape_shows_all_processes(tmp_path: pathlib.Path) -> None:
    program = (
        "import sys\n"
        "from parallax.contract.topology import Role\n"
        "from parallax.observe import metric_files\n"
        "metric_files.adopt(Role.API, int(sys.argv[1]))\n"
        "from parallax.gateway import metrics\n"
        "metrics.OUTCOMES.labels('ok').inc()\n"
        "metrics.IN_FLIGHT.set(2)\n"
        "print(metrics.render().decode())\n"
    )
    environment = {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    shown = [
        subprocess.run(
            [sys.executable, "-c", program, str(slot)],
            env=environment,
            capture_output=True,
            check=True,
        ).stdout.decode()
        for slot in range(2)
    ]

    assert 'parallax_requests_total{code="ok"} 1.0' in shown[0]
    assert 'parallax_requests_total{code="ok"} 2.0' in shown[1]
    assert "parallax_in_flight 4.0" in shown[1]


async def test_metrics_can_be_off(rig: support.Rig) -> None:
    settings = dataclasses.replace(
        rig.settings, http=dataclasses.replace(rig.settings.http, metrics=False)
    )
    silent = dataclasses.replace(rig.context, settings=settings)
    transport = httpx.ASGITransport(app.build(silent))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/metrics")

    assert answer.status_code == 404
    assert answer.json()["message"]


async def test_the_access_log_has_no_key(
    rig: support.Rig, caplog: pytest.LogCaptureFixture
) -> None:
    settings = dataclasses.replace(
        rig.settings, http=dataclasses.replace(rig.settings.http, access_log=True)
    )
    caplog.set_level("INFO", "parallax.access")
    transport = httpx.ASGITransport(app.build(dataclasses.replace(rig.context, settings=settings)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/info?api_key=secret", headers={"X-Request-ID": "me"})

    (record,) = [record for record in caplog.records if record.name == "parallax.access"]
    assert record.getMessage().startswith("GET /info 200 ")
    assert record.getMessage().endswith(" ms me")
    assert "secret" not in caplog.text


async def test_every_request_is_counted_once(rig: support.Rig, client: httpx.AsyncClient) -> None:
    before = _outcomes()
    rig.hand.automatic = lambda taken: (
        errors.BadImageError("x") if taken.entry.bulk == b"bad" else support.FRAGMENT
    )
    calls = [support.call() for _ in range(5)]
    calls += [support.call(image=support.image(b"bad")) for _ in range(3)]
    calls += [support.call(model_id="nobody"), support.call(id=None), {}]
    await asyncio.gather(*(client.post("/infer/object_detection", json=call) for call in calls))

    gained = {code: count - before.get(code, 0) for code, count in _outcomes().items()}
    assert {code: count for code, count in gained.items() if count} == {
        "ok": 5,
        "bad_image": 3,
        "unknown_model": 1,
        "invalid_request": 2,
    }


@pytest.mark.parametrize("path", GETS)
async def test_head_works_where_get_does(client: httpx.AsyncClient, path: str) -> None:
    head, get = await client.head(path), await client.get(path)

    assert head.status_code == get.status_code == 200
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/nowhere", "/info/", "/model/x", "/a/b", "/infer", "/a/b/c"])
async def test_an_unknown_path_is_404_json(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert list(answer.json()) == ["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/infer/object_detection", "POST"),
        ("POST", "/info", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("PUT", "/model/registry", "GET, HEAD"),
        ("GET", "/model/add", "POST"),
        ("PUT", "/some/model", "GET, POST"),
    ],
)
async def test_a_wrong_method_is_405_json(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert list(answer.json()) == ["message"]


@pytest.mark.parametrize(("path", "allowed"), [("/clear_cache", "GET"), ("/fish", "GET, POST")])
async def test_a_get_that_acts_has_no_head(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    answer = await client.head(path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_is_self_contained(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<!doctype html>" in answer.text.lower()
    assert 'src="http' not in answer.text
    assert 'href="http' not in answer.text


async def test_the_sample_is_served_if_there_is_one(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "_packaged", lambda package, path: b"\xff\xd8")

    answer = await client.get("/sample.jpg")

    assert (answer.content, answer.headers["content-type"]) == (b"\xff\xd8", "image/jpeg")


async def test_no_sample_is_404(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str, path: str) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(site, "_packaged", missing)

    assert (await client.get("/sample.jpg")).status_code == 404


def test_every_error_has_a_status() -> None:
    def family(root: type[errors.ParallaxError]) -> set[type[errors.ParallaxError]]:
        return {root}.union(*(family(child) for child in root.__subclasses__()))

    ours = (errors.__name__, problems.__name__)
    codes = {kind.code for kind in family(errors.ParallaxError) if kind.__module__ in ours}
    assert codes == set(problems.STATUS)


def test_models_can_be_replaced() -> None:
    models = context.Models([support.model("b", aliases=("a",)), support.model("a", aliases=())])
    assert [model.id for model in models.all()] == ["a", "b"]
    found = models.get("a")
    assert found is not None
    assert found.id == "a"

    models.replace([])

    assert (models.all(), models.get("a")) == ((), None)


def _outcomes() -> dict[str, float]:
    return {
        sample.labels["code"]: sample.value
        for metric in metrics.OUTCOMES.collect()
        for sample in metric.samples
        if sample.name == "parallax_requests_total"
    }
