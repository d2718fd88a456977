"""A new user's first minutes: start, look, send the sample picture."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import load
from tests.support import server as servers

pytestmark = pytest.mark.system

PREDICTION_KEYS = ["x", "y", "width", "height", "confidence", "class", "class_id", "detection_id"]


def test_sample_picture_is_answered_in_the_contracts_shape(
    server: servers.Server, sample: bytes
) -> None:
    response = load.detect(server.url, sample)
    answer = response.json()
    assert response.status_code == 200
    assert list(answer) == ["inference_id", "time", "image", "predictions"]
    assert answer["image"] == {"width": 640, "height": 480}
    assert answer["predictions"]
    assert all(list(each) == PREDICTION_KEYS for each in answer["predictions"])
    confidences = [each["confidence"] for each in answer["predictions"]]
    assert confidences == sorted(confidences, reverse=True)


def test_server_timing_tells_where_the_time_went(server: servers.Server, sample: bytes) -> None:
    header = load.detect(server.url, sample).headers["Server-Timing"]
    spans = dict(part.strip().split(";dur=") for part in header.split(","))
    assert {"queue", "pre", "infer", "post"} <= set(spans)
    assert all(float(value) >= 0 for value in spans.values())
    assert float(spans["pre"]) > 0
    assert float(spans["infer"]) > 0


def test_list_of_pictures_is_answered_in_order(server: servers.Server, sample: bytes) -> None:
    images = [load.body(sample)["image"]] * 3
    response = load.detect(server.url, sample, image=images)
    answers = response.json()
    assert len(answers) == 3
    assert len({answer["inference_id"] for answer in answers}) == 1
    assert len({len(answer["predictions"]) for answer in answers}) == 1


def test_parameters_change_the_answer(server: servers.Server, sample: bytes) -> None:
    everything = load.detect(server.url, sample).json()["predictions"]
    first = everything[0]["class"]
    one = load.detect(server.url, sample, max_detections=1).json()["predictions"]
    some = load.detect(server.url, sample, class_filter=[first]).json()["predictions"]
    none = load.detect(server.url, sample, confidence=1.0).json()["predictions"]
    assert len(one) == 1
    assert {each["class"] for each in some} == {first}
    assert none == []


def test_status_shows_every_process_stream_and_model(server: servers.Server) -> None:
    status = server.status()
    roles = [(row["role"], row["slot"]) for row in status["processes"]]
    assert sorted(roles) == sorted(
        [
            *(("supervisor", 0), ("broker", 0), ("api", 0), ("infer", 0)),
            *(("pre", 0), ("pre", 1), ("post", 0), ("post", 1)),
        ]
    )
    assert all(row["state"] == "ready" and row["restarts"] == 0 for row in status["processes"])
    assert len({row["pid"] for row in status["processes"]}) == len(roles)
    assert [model["id"] for model in status["models"]] == ["demo"]
    assert any(name.startswith("infer:") for name in status["streams"])


def test_status_command_prints_the_same(server: servers.Server) -> None:
    shown = servers.run("status", "--url", server.url, "--json")
    assert shown.returncode == 0
    assert '"role"' in shown.stdout
    assert "supervisor" in servers.run("status", "--url", server.url).stdout


@pytest.mark.parametrize("path", ["/", "/info", "/healthz", "/readiness", "/model/registry"])
def test_page_is_there(server: servers.Server, path: str) -> None:
    assert server.get(path).status_code == 200


def test_metrics_count_requests_and_batches(server: servers.Server, sample: bytes) -> None:
    load.detect(server.url, sample)
    text = server.get("/metrics").text
    assert 'parallax_requests_total{code="ok"}' in text
    assert 'parallax_batch_size_count{model="demo"}' in text
    assert 'http_requests_total{handler="/infer/object_detection"' in text


def test_start_prints_one_line_per_thing_and_a_command_that_works(
    server: servers.Server,
) -> None:
    lines = dict(line.split(maxsplit=1) for line in server.log.splitlines() if " " in line.strip())
    assert {"broker", "model", "infer", "pre", "post", "api", "ready", "try"} <= set(lines)
    done = subprocess.run(
        ["bash", "-c", lines["try"]], capture_output=True, text=True, timeout=30, check=True
    )
    assert '"predictions":[{' in done.stdout


def test_nothing_is_left_in_flight(server: servers.Server, sample: bytes) -> None:
    load.detect(server.url, sample)
    server.wait_idle()


def test_stage_workers_are_lean(server: servers.Server) -> None:
    for role in ("pre", "post"):
        maps = Path(f"/proc/{server.pid(role)}/maps").read_text()
        assert "onnxruntime" not in maps


def test_nothing_but_prepared_graphs_is_left_in_the_users_cache(server: servers.Server) -> None:
    """ONNX Runtime would keep a database of telemetry there."""
    kept = {path.name for path in (server.home / "cache").iterdir()}
    assert kept <= {"parallax"}


def test_no_process_interrupts_another_at_its_work(server: servers.Server) -> None:
    processes = server.status()["processes"]

    assert {os.sched_getscheduler(each["pid"]) for each in processes} == {os.SCHED_BATCH}
