"""Processes are killed under load: every request is answered, once, and nothing is left."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import load, onnx_slow, wait
from tests.support import server as servers

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """A server whose leases are short, so that unseen deaths are noticed soon."""
    with servers.serve("--cpu-workers", "2", "--lease", "1") as running:
        yield running


@pytest.mark.parametrize("role", ["pre", "post", "infer"])
def test_killed_worker_costs_no_request(server: servers.Server, sample: bytes, role: str) -> None:
    with load.Load(server.url, sample) as sending:
        sending.answers(20)
        for _ in range(3):
            pid = server.kill(role)
            sending.answers(20)
            server.wait_restarted(role, pid)
        sending.answers(20)
    assert sending.ledger.broken == []
    assert set(sending.ledger.statuses) == {200}
    assert sending.ledger.answered == sending.ledger.sent
    counts = {len(answer["predictions"]) for answer in sending.ledger.answers}
    assert len(counts) == 1, "every answer is the sample's"
    server.wait_idle()


def test_killed_broker_costs_no_request(server: servers.Server, sample: bytes) -> None:
    with load.Load(server.url, sample) as sending:
        sending.answers(20)
        pid = server.kill("broker")
        server.wait_restarted("broker", pid)
        sending.answers(40)
    assert sending.ledger.broken == []
    assert set(sending.ledger.statuses) <= {200, 503}, "refused while away, never lost"
    assert sending.ledger.statuses[-1] == 200
    assert "broker is ready again after " in server.log
    assert 'parallax_restarts{role="broker"} 1.0' in server.get("/metrics").text
    server.wait_idle()


@pytest.mark.parametrize("role", ["pre", "post"])
def test_stopped_worker_is_overtaken_and_answers_nothing_twice(
    server: servers.Server, sample: bytes, role: str
) -> None:
    with load.Load(server.url, sample) as sending:
        sending.answers(10)
        pid = server.kill(role, number=signal.SIGSTOP)
        try:
            sending.answers(60)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert set(sending.ledger.statuses) == {200}
    assert sending.ledger.answered == sending.ledger.sent
    server.wait_idle()


def test_killed_api_is_replaced_and_its_port_stays_open(
    server: servers.Server, sample: bytes
) -> None:
    pid = server.kill("api")
    # The connection waits in the backlog of the supervisor's socket until the successor accepts it.
    wait.wait_until(
        lambda: load.detect(server.url, sample).status_code == 200, "the successor answers"
    )
    server.wait_restarted("api", pid)
    server.wait_idle()


def test_process_that_does_not_answer_is_replaced(server: servers.Server, sample: bytes) -> None:
    """Stopped while idle, it holds nothing that anybody would miss; but nothing would be done."""
    for role in ("infer", "api"):
        pid = server.kill(role, number=signal.SIGSTOP)
        wait.wait_until(lambda pid=pid: not servers.alive(pid), f"{role} is killed", 20.0)  # type: ignore[misc]
        server.wait_restarted(role, pid)
    assert load.detect(server.url, sample).status_code == 200


def test_killed_fork_server_is_replaced(server: servers.Server, sample: bytes) -> None:
    parent = servers.parent(server.pid("pre"))
    os.kill(parent, signal.SIGKILL)
    wait.wait_until(lambda: not servers.alive(parent), "the fork server is gone")
    wait.wait_until(
        lambda: (
            server.answers()
            and all(row["state"] == "ready" and row["restarts"] for row in server.rows("pre"))
        ),
        "everything is back",
        30.0,
    )
    assert server.log.count("the fork server died; all its processes start again") == 1
    assert load.detect(server.url, sample).status_code == 200


def test_readiness_is_false_while_a_stage_has_no_worker(server: servers.Server) -> None:
    pid = server.kill("infer", number=signal.SIGKILL)
    wait.wait_until(lambda: server.get("/readiness").status_code == 503, "readiness is false", 2.0)
    server.wait_restarted("infer", pid)
    assert server.get("/readiness").status_code == 200


def test_request_that_kills_every_worker_is_set_aside_alone(tmp_path: Path, sample: bytes) -> None:
    onnx_slow.write(tmp_path / "slow.onnx", seconds=2.0)
    onnx_slow.write(tmp_path / "quick.onnx", seconds=0.01)
    options = ("--models", str(tmp_path), "--cpu-workers", "1", "--timeout", "120")
    with servers.serve(*options) as server:
        with (
            load.Load(server.url, sample, model="quick", clients=2) as innocent,
            load.Load(server.url, sample, model="slow", clients=1) as guilty,
        ):
            # A kill counts only if it finds the request running and not about to; three have to.
            for _ in range(12):
                wait.wait_until(
                    lambda: server.pending("slow") > 0 or guilty.ledger.settled,
                    "the request is in the loop's hands, or set aside",
                    20.0,
                )
                if guilty.ledger.settled:
                    break
                server.wait_restarted("infer", server.kill("infer"))
            innocent.answers(4)
        poisoned, *_ = guilty.ledger.answers
        assert guilty.ledger.statuses[0] == 500
        assert "workers" in poisoned["message"]
        # While the loop is away for longer than the grace, new requests are refused, honestly.
        assert set(innocent.ledger.statuses) <= {200, 503}
        assert innocent.ledger.statuses.count(200) >= 4
        assert server.status()["streams"]["dead"]["length"] == 1


def test_children_of_a_killed_supervisor_exit_and_a_new_start_sweeps() -> None:
    with servers.starting("--cpu-workers", "2") as server:
        server.wait_ready()
        server.process.kill()
        server.process.wait()
        wait.wait_until(
            lambda: not [line for line in server.leftovers() if line.startswith("process")],
            lambda: f"children exit: {server.leftovers()}",
            10.0,
        )
        left = [Path(path) for path in server.leftovers()]
        assert len(left) == 2, "a killed supervisor cannot tidy up its run directory and slab"
        tidying = {"TMPDIR": str(server.home / "tmp")}
        with servers.serve("--shm-dir", str(server.shm), env=tidying):
            assert not any(path.exists() for path in left)
