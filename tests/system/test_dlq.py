"""Requests that were given up, in the hands of an operator."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import load, onnx_fussy, onnx_slow, wait
from tests.support import server as servers

pytestmark = pytest.mark.system


def dlq(server: servers.Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``parallax dlq`` as the operator of a server's machine."""
    return servers.run("dlq", *arguments, env={"TMPDIR": str(server.home / "tmp")})


def letters(server: servers.Server) -> list[dict[str, Any]]:
    listed = dlq(server, "ls", "--json")
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.splitlines()]


def letter_with_picture(server: servers.Server) -> dict[str, Any]:
    """Return the one letter, once its picture has followed it."""
    found: list[dict[str, Any]] = []

    def complete() -> bool:
        found[:] = letters(server)
        return len(found) == 1 and found[0]["picture_bytes"] > 0

    wait.wait_until(complete, lambda: f"a letter has its picture: {found}", 30.0)
    return found[0]


def kill_until_set_aside(server: servers.Server, guilty: load.Load) -> None:
    """Kill the loop each time that it holds the request, until the server has enough of it."""
    for _ in range(12):
        wait.wait_until(
            lambda: server.pending("slow") > 0 or guilty.ledger.settled,
            "the request is in the loop's hands, or set aside",
            30.0,
        )
        if guilty.ledger.settled:
            return
        server.wait_restarted("infer", server.kill("infer"))


def test_a_poisoned_request_can_be_looked_into_and_replayed(tmp_path: Path, sample: bytes) -> None:
    onnx_slow.write(tmp_path / "slow.onnx", seconds=2.0)
    options = ("--models", str(tmp_path), "--cpu-workers", "1", "--timeout", "120")
    with servers.serve(*options) as server:
        with load.Load(server.url, sample, model="slow", clients=1) as guilty:
            kill_until_set_aside(server, guilty)
        letter = letter_with_picture(server)
        assert (letter["stage"], letter["model"], letter["losses"]) == ("infer", "slow", 3)
        assert letter["replayable"]
        picture = tmp_path / "picture"
        shown = dlq(server, "show", letter["id"], "--picture", str(picture))
        assert letter["cause"] in shown.stdout
        assert picture.read_bytes() == sample

        answer = dlq(server, "replay", letter["id"], "--timeout", "60")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["predictions"] == []
        assert letters(server) == []
        server.wait_idle()


def test_a_model_that_raises_leaves_its_traceback_and_is_replayed_when_mended(
    tmp_path: Path, sample: bytes
) -> None:
    onnx_fussy.write(tmp_path / "fussy.onnx")
    with servers.serve("--models", str(tmp_path), "--cpu-workers", "1") as server:
        version = server.status()["models"][0]["version"]
        failed = load.detect(server.url, sample, model="fussy")
        assert failed.status_code == 500
        letter = letter_with_picture(server)
        assert (letter["stage"], letter["losses"]) == ("infer", 0)
        known = f"(X-Request-ID {failed.headers['X-Request-ID']}) is dead letter {letter['id']} now"
        assert f"{known} (model fussy, model_failed); parallax dlq show" in server.log
        count = 'parallax_dead_letters_total{code="model_failed"} 1.0'
        assert count in server.get("/metrics").text
        assert letter["cause"].startswith("model_failed: ")
        assert "out of data bounds" in letter["traceback"]

        again = dlq(server, "replay", letter["id"])
        assert (again.returncode, again.stderr.split(":")[1]) == (1, " model_failed")
        assert [each["id"] for each in letters(server)] == [letter["id"]]

        onnx_slow.write(tmp_path / "fussy.onnx", seconds=0.01)
        wait.wait_until(
            lambda: server.status()["models"][0]["version"] != version, "it is mended", 60.0
        )
        assert dlq(server, "replay", letter["id"], "--keep").returncode == 0
        assert dlq(server, "drop", letter["id"]).stdout == "1 dropped\n"
        assert letters(server) == []
        server.wait_idle()


def test_letters_of_a_model_that_always_raises_stay_few(tmp_path: Path, sample: bytes) -> None:
    onnx_fussy.write(tmp_path / "fussy.onnx")
    with servers.serve("--models", str(tmp_path), "--cpu-workers", "1") as server:
        with load.Load(server.url, sample, model="fussy", clients=4) as failing:
            failing.answers(300)
        assert set(failing.ledger.statuses) == {500}
        assert len(letters(server)) == 256
        exported = dlq(server, "export", str(tmp_path / "out"))
        assert exported.stdout.startswith("256 written")
        assert len(list((tmp_path / "out").glob("*/letter.json"))) == 256
        assert dlq(server, "drop", "--all").stdout == "256 dropped\n"
        server.wait_idle()
