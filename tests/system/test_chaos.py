"""``parallax chaos`` as a user runs it: a sound server passes, and one that cheats is found out."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from parallax.chaos import result
from tests.support import impostor, wait
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.timeout(420)]

MAIN_FAULTS = (
    "kill-pre,kill-post,kill-infer,kill-api,kill-broker,kill-several,stop-pre,flushall,"
    "client-pause,reload,drain"
)
SHORT = ("--minutes", "0.05", "--clients", "6", "--rate", "150", "--faults", "flushall")


def chaos(*options: str, home: Path) -> tuple[subprocess.CompletedProcess[str], result.Report]:
    """Run the command and return its report."""
    path = home / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "parallax", "chaos", "--json", str(path), *options],
        env=servers.environment(home) | {"TMPDIR": "/tmp"},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert path.exists(), done.stderr
    return done, msgspec.json.decode(path.read_bytes(), type=result.Report)


def test_a_server_under_fire_loses_nothing(tmp_path: Path) -> None:
    """Each fault once; the seed decides the order."""
    options = ("--minutes", "0.8", "--every", "3", "--seed", "1", "--faults", MAIN_FAULTS)
    own = ("--", "--cpu-workers", "2", "--lease", "1")
    done, report = chaos(*options, "--clients", "8", *own, home=tmp_path)
    assert report.failures == [], done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.seed == 1
    assert report.requests.right > 0
    assert all(each.ready_after_s is not None for each in report.suffered)
    assert len({each.name for each in report.suffered}) >= 5
    assert report.skipped == {}
    assert "nothing lost" in done.stdout


@pytest.fixture
def worker() -> Iterator[int]:
    """A process that passes for a worker of the impostor."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def attacked(cheat: impostor.Cheat | None, worker: int, home: Path) -> tuple[int, result.Report]:
    with impostor.serving(cheat, worker) as fake:
        options = ("--url", fake.url, "--timeout", "5", "--seed", "1")
        done, report = chaos(*SHORT, *options, home=home)
    assert fake.answered > impostor.HONEST_FOR
    return done.returncode, report


def test_an_honest_answerer_passes(worker: int, tmp_path: Path) -> None:
    code, report = attacked(None, worker, tmp_path)
    assert (code, report.failures) == (0, [])
    assert set(report.skipped) == {"flushall"}
    assert report.requests.right > 0


CHEATS: dict[str, impostor.Cheat] = {
    "wrong": lambda response, before: before,
    "unanswered": lambda response, before: None,
    "answered twice": lambda response, before: response + response,
    "failed": lambda response, before: b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("spoilt", CHEATS)
def test_a_cheat_is_found_out(spoilt: str, worker: int, tmp_path: Path) -> None:
    code, report = attacked(CHEATS[spoilt], worker, tmp_path)
    assert code == 1
    assert [line.partition(" ")[2] for line in report.failures] == [spoilt]
    assert report.requests.cases


def test_a_server_that_hides_a_process_is_not_touched(tmp_path: Path) -> None:
    with impostor.serving(None, worker=1) as fake:
        done = servers.run("chaos", *SHORT, "--url", fake.url)
    assert done.returncode == 1
    assert "is no parallax whose processes are on this machine" in done.stderr


def test_an_interrupted_run_shows_what_it_has_and_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "parallax", "chaos", "--faults", "kill-pre", "--every", "1"],
        env=servers.environment(tmp_path) | {"TMPDIR": "/tmp"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "kill-pre (" in line:
                break
        os.kill(process.pid, signal.SIGINT)
        told, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert "stopped before the end" in told
    assert "answered right" in told
    wait.wait_until(lambda: not list(servers.processes_of(tmp_path)), "no process is left", 10)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--faults", "kill-pre,kil-post"), "'kil-post' is none of"),
        (("--url", "http://127.0.0.1:9", "--", "--cpu-workers", "1"), "options after --"),
        (("--pid", "1"), "--pid is for the server at --url"),
        (("--json", "nowhere/report.json"), "there is no folder nowhere"),
        (("--", "--cpu-workers", "none"), "none"),
    ],
)
def test_a_mistake_is_told_before_anything_is_started(options: tuple[str, ...], told: str) -> None:
    done = servers.run("chaos", *options)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
