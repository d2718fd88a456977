"""Shared memory, disks and standard error that are full: served on, or refused honestly."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support import load, mounts, onnx_models, onnx_slow, valkey, wait
from tests.support import server as servers

pytestmark = pytest.mark.system

OK, REFUSED = 200, 503
PATIENCE = 30.0


def test_full_shared_memory_costs_no_request_and_refuses_a_model_that_needs_more(
    tmp_path: Path, sample: bytes
) -> None:
    onnx_slow.write(tmp_path / "first.onnx", 0.01)
    with mounts.small(48) as shm:
        options = ("--shm-dir", str(shm.path), "--models", str(tmp_path), "--cpu-workers", "1")
        with servers.serve(*options) as server:
            shm.fill()
            with load.Load(server.url, sample, model="first") as sending:
                sending.answers(40)
            sending.ledger.check()
            onnx_models.make(tmp_path / "large.onnx", onnx_models.Recipe(width=640, height=640))
            wait.wait_until(lambda: "large" in _reasons(server), "it is refused", PATIENCE)
            assert "shared memory is too small" in _reasons(server)["large"]
            shm.free()
            with load.Load(server.url, sample, model="first") as sending:
                sending.answers(20)
            sending.ledger.check()
            server.wait_idle()


def _reasons(server: servers.Server) -> dict[str, str]:
    """Return what is told about packages that are not served."""
    rows = server.status()["models"]
    return {Path(row["package"]).stem: row["reason"] for row in rows if row["reason"]}


@pytest.mark.parametrize("durability", ["everysec", "always"])
def test_a_full_disk_under_the_broker_refuses_requests_until_there_is_room(
    sample: bytes, durability: str
) -> None:
    with mounts.small(16) as disk:
        kept = ("--durability", durability, "--cache-dir", str(disk.path))
        with servers.serve(*kept, "--cpu-workers", "1", "--timeout", "5") as server:
            with load.Load(server.url, sample) as sending:
                sending.answers(20)
                disk.fill()
                wait.wait_until(lambda: REFUSED in sending.ledger.statuses, "it refuses", PATIENCE)
                sending.answers(20)
                disk.free()
                wait.wait_until(server.answers, "it is ready again", PATIENCE)
                sending.answers(40)
            sending.ledger.check(REFUSED, 504)
            assert sending.ledger.statuses[-1] == OK
            delays = [float(each) for each in re.findall(r"broker ended .* in (\S+) s", server.log)]
            assert delays == sorted(delays), "no crash loop at full speed"
            server.wait_idle()


def test_a_full_disk_under_the_run_directory_ends_no_process(sample: bytes) -> None:
    with (
        mounts.small(32) as disk,
        servers.serve("--cpu-workers", "1", env={"TMPDIR": str(disk.path)}) as server,
    ):
        disk.fill()
        with load.Load(server.url, sample) as sending:
            sending.answers(40)
        sending.ledger.check()
        assert not [row for row in server.status()["processes"] if row["restarts"]]
        server.wait_idle()


@contextmanager
def serving_with(stderr: int) -> Iterator[str]:
    """Run a server whose standard error is this; gives its URL."""
    port = valkey.free_port()
    with servers.starting("--version") as place:  # only for its home
        command = (sys.executable, "-m", "parallax", "serve", "--port", str(port))
        process = subprocess.Popen(
            (*command, "--redis-port", "0", "--cpu-workers", "1", "--log-level", "debug"),
            env=servers.environment(place.home),
            cwd=place.home,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait.wait_until(lambda: _is_ready(url), "it is ready", PATIENCE)
            yield url
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url + "/readiness", timeout=10).status_code == OK
    except httpx.HTTPError:
        return False


def test_standard_error_that_nobody_reads_stops_nothing(sample: bytes) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(1 << 12))
    os.set_blocking(writing, True)
    with serving_with(writing) as url:
        assert load.detect(url, sample).status_code == OK
        os.close(reading)
        assert load.detect(url, sample).status_code == OK
    os.close(writing)
