"""Processes that die again and again, stand still for long, or leave work behind for nobody."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import load, onnx_slow, wait
from tests.support import server as servers

pytestmark = pytest.mark.system


def test_work_of_an_api_process_that_died_is_dropped_and_others_do_not_notice(
    tmp_path: Path, sample: bytes
) -> None:
    onnx_slow.write(tmp_path / "slow.onnx", seconds=1.0)
    options = ("--models", str(tmp_path), "--cpu-workers", "1", "--api-workers", "2")
    with servers.serve(*options, "--runs", "1", "--slab-slots", "32") as server:
        apis = [server.pid("api", 0), server.pid("api", 1)]
        with load.Load(server.url, sample, model="slow", clients=16) as sending:
            wait.wait_until(
                lambda: sum(map(server.connections, apis)) >= 16, "all are connected", 20.0
            )
            wait.wait_until(
                lambda: server.status()["streams"]["pre"]["pending"] == 0, "all are decoded", 20.0
            )
            victim = max(apis, key=server.connections)
            lost = server.connections(victim)
            os.kill(victim, signal.SIGKILL)
            sending.stop()
        ledger = sending.ledger
        assert len(ledger.broken) <= lost
        assert set(ledger.statuses) == {200}, "the clients of the other one are answered"
        server.wait_idle()
        # Some may have run before anybody knew; what waited after that was not run.
        assert runs(server, "slow") <= len(ledger.statuses) + lost // 2


def runs(server: servers.Server, model: str) -> int:
    """Return how many batches of a model were run."""
    found = re.findall(
        rf'^parallax_batch_size_count{{model="{model}"}} (\S+)', server.get("/metrics").text, re.M
    )
    return round(sum(map(float, found)))


@contextmanager
def crash_loop(server: servers.Server, role: str) -> Iterator[None]:
    """Kill a slot's process as soon as there is one, again and again."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.01):
            (row,) = server.rows(role)
            if row["pid"]:
                servers.signal_if_alive(row["pid"], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_worker_that_dies_at_each_start_is_started_later_and_later_until_it_lives(
    sample: bytes,
) -> None:
    role = "infer"
    with servers.serve("--cpu-workers", "1", "--timeout", "5") as server:
        with crash_loop(server, role):
            wait.wait_until(lambda: server.rows(role)[0]["restarts"] >= 5, "it dies", 30.0)
            wait.wait_until(lambda: server.rows(role)[0]["state"] == "backing-off", "a pause", 10.0)
            (row,) = server.rows(role)
            assert row["reason"]
            readiness = server.get("/readiness")
            wait.wait_until(
                lambda: load.detect(server.url, sample).status_code == 503, "it refuses", 30.0
            )
            refused = load.detect(server.url, sample)
        assert (readiness.status_code, refused.status_code) == (503, 503)
        assert role in readiness.json()["reason"]
        assert int(refused.headers["Retry-After"]) >= 1
        delays = [float(each) for each in re.findall(rf"{role}:0 ended: .* in (\S+) s", server.log)]
        assert delays == sorted(delays), "the pauses grow"
        assert delays[4] >= 8 * delays[0]
        server.wait_restarted(role, 0)
        assert load.detect(server.url, sample).status_code == 200
        server.wait_idle()


def test_processes_that_stand_still_for_longer_than_a_lease_answer_nothing_twice(
    sample: bytes,
) -> None:
    """Alive and slow: they come back before anybody takes them for stuck."""
    options = ("--cpu-workers", "2", "--api-workers", "2", "--lease", "1")
    with servers.serve(*options) as server:
        pids = [server.pid("infer"), server.pid("pre", 0), server.pid("pre", 1), server.pid("api")]
        with load.Load(server.url, sample) as sending:
            sending.answers(20)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            threading.Event().wait(4.0)  # the fault itself
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            sending.answers(40)
        sending.ledger.check()
        now = [server.pid("infer"), server.pid("pre", 0), server.pid("pre", 1), server.pid("api")]
        assert now == pids, "nobody was killed for it"
        assert server.status()["streams"]["dead"]["length"] == 0
        server.wait_idle()


def test_processes_that_stand_still_for_long_are_replaced_and_only_the_api_loses_requests(
    sample: bytes,
) -> None:
    options = ("--cpu-workers", "2", "--api-workers", "2", "--lease", "1")
    with servers.serve(*options) as server:
        pids = [server.pid("infer"), server.pid("pre", 0), server.pid("pre", 1), server.pid("api")]
        with load.Load(server.url, sample) as sending:
            sending.answers(20)
            own = server.connections(pids[-1])
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            wait.wait_until(lambda: not any(map(servers.alive, pids)), "all are replaced", 30.0)
            sending.answers(40)
        ledger = sending.ledger
        assert len(ledger.broken) <= own, "only connections of the api that was killed are cut"
        assert set(ledger.statuses) <= {200, 503}
        assert ledger.settled == ledger.sent
        server.wait_idle()


def served(server: servers.Server) -> float:
    """Return how many requests were answered with success."""
    found = re.findall(
        r'^parallax_requests_total{code="ok"} (\S+)', server.get("/metrics").text, re.M
    )
    return sum(map(float, found))


def test_processes_that_are_replaced_leave_no_files_and_their_counts_stay(sample: bytes) -> None:
    with servers.serve("--cpu-workers", "1") as server:
        assert load.detect(server.url, sample).status_code == 200
        (run_dir,) = (server.home / "tmp").glob("parallax-run-*")
        files = {path for path in run_dir.rglob("*") if path.is_file()}
        for role in ("api", "infer", "api", "pre"):
            old = server.kill(role)
            wait.wait_until(server.answers, "an api process answers", 30.0)
            server.wait_restarted(role, old)
            assert load.detect(server.url, sample).status_code == 200
        old = server.pid("infer")
        os.kill(servers.parent(old), signal.SIGKILL)  # the fork server
        wait.wait_until(lambda: not servers.alive(old), "its children end with it", 20.0)
        wait.wait_until(server.answers, "all are back", 60.0)

        assert served(server) == runs(server, "demo") == 5
        assert 'parallax_models{state="loaded"} 1.0' in server.get("/metrics").text
        assert {path for path in run_dir.rglob("*") if path.is_file()} == files
