"""``parallax bench`` as a user runs it: it starts a server, measures, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from parallax.bench import result
from tests.support import server as servers
from tests.support import wait

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

QUICK = ("--duration", "1", "--warmup", "0.5", "--concurrency", "2")
ONE_WORKER = ("--", "--cpu-workers", "1")


@pytest.fixture
def images(sample_path: str) -> str:
    """A folder with one small picture, so that slow machines answer many."""
    return str(Path(sample_path).parent)


def nothing_is_left(home: Path) -> None:
    # The fork server's resource tracker ends by itself, a moment after the server.
    wait.wait_until(lambda: not list(servers.processes_of(home)), "no process is left", 10)


def test_it_starts_a_server_measures_and_leaves_nothing(tmp_path: Path, images: str) -> None:
    report, page = tmp_path / "report.json", tmp_path / "report.html"
    files = ("--json", str(report), "--html", str(page))
    home = {"HOME": str(tmp_path)}
    done = servers.run("bench", *QUICK, "--images", images, *files, *ONE_WORKER, env=home)
    assert done.returncode == 0, done.stderr
    nothing_is_left(tmp_path)
    found = msgspec.json.decode(report.read_bytes(), type=result.Report)
    assert found.target.started_here
    with pytest.raises(httpx.ConnectError):
        httpx.get(found.target.url)
    (phase,) = found.phases
    assert phase.answered == phase.sent > 0
    assert {"api", "pre", "infer", "post"} <= phase.cpu_ms_per_image.keys()
    assert sum(phase.batches.values()) > 0
    assert phase.pss_mb
    assert f"{phase.images_per_s:.1f}" in done.stdout
    assert page.read_text().startswith("<!doctype html>")

    again = ("--compare", str(report), "--url", found.target.url, "--timeout", "1")
    refused = servers.run("bench", *QUICK, "--images", images, *again)
    assert refused.returncode == 1
    assert "does not answer" in refused.stderr


def test_a_running_server_is_measured_through_every_api_it_has(
    server: servers.Server, images: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    for api in ("raw", "roboflow"):
        options = ("--url", server.url, "--images", images, "--api", api, "--json", str(report))
        done = servers.run("bench", "--rate", "20", "--duration", "1", "--warmup", "0", *options)
        assert done.returncode == 0, done.stderr
        (phase,) = msgspec.json.decode(report.read_bytes(), type=result.Report).phases
        assert (phase.mode, phase.errors) == ("open", {})
        assert phase.pss_mb  # it is on this machine
    same = ("--compare", str(report), "--url", server.url, "--images", images)
    done = servers.run("bench", "--rate", "20", "--duration", "1", "--warmup", "0", *same)
    assert "Now / then" in done.stdout
    assert server.rows("api")  # a server that was there before is left alone


def test_answers_that_are_wrong_make_the_exit_status_one(
    server: servers.Server, images: str
) -> None:
    options = ("--url", server.url, "--images", images, "--model", "nobody/1")
    done = servers.run("bench", *QUICK, *options)
    assert done.returncode == 1
    assert " 404" in done.stdout
    assert "no right answer at 2 in flight" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_its_server(
    number: signal.Signals, tmp_path: Path, images: str
) -> None:
    options = ("--duration", "100", "--concurrency", "2", "--images", images, *ONE_WORKER)
    process = subprocess.Popen(
        [sys.executable, "-m", "parallax", "bench", *options],
        env=servers.environment(tmp_path) | {"TMPDIR": "/tmp"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait.wait_until(
            lambda: len(list(servers.processes_of(tmp_path))) > 8, "the server runs", 60
        )
        os.kill(process.pid, number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"stopped before the end" in said
    nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--concurrency", "1,x"), "is not a list"),
        (("--rate", "0"), "must be over 0"),
        (("--url", "localhost:9001"), "is not a http:// or https:// address"),
        (("--url", "http://127.0.0.1:9", "--", "--cpu-workers", "1"), "options after --"),
        (("--json", "nowhere/report.json"), "there is no folder nowhere"),
        (("--", "--cpu-worker", "1"), "--cpu-workers"),
        (("--", "--cpu-workers", "none"), "none"),
    ],
)
def test_a_mistake_is_told_before_anything_is_started(options: tuple[str, ...], told: str) -> None:
    done = servers.run("bench", *options)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
