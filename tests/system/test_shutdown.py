"""Ending the server: what was accepted is answered, in order, and a second signal forces."""

import signal
from pathlib import Path

import pytest

from parallax.supervisor import fleet
from tests.support import load, onnx_slow, wait
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_under_load_answers_all_that_was_accepted(
    sample: bytes, number: signal.Signals
) -> None:
    with servers.serve("--cpu-workers", "2") as server:
        with load.Load(server.url, sample) as sending:
            sending.answers(20)
            server.process.send_signal(number)
            # Each client ends at its first refused connection.
        assert server.process.wait(30) == 0
        assert set(sending.ledger.statuses) == {200}
        assert all("ConnectError" in each for each in sending.ledger.broken)


def test_slow_request_is_answered_during_the_drain(tmp_path: Path, sample: bytes) -> None:
    onnx_slow.write(tmp_path / "slow.onnx", seconds=2.0)
    with servers.serve("--models", str(tmp_path), "--cpu-workers", "1") as server:
        with load.Load(server.url, sample, model="slow", clients=1) as sending:
            wait.wait_until(lambda: server.status()["in_flight"] == 1, "the request is accepted")
            server.process.send_signal(signal.SIGTERM)
            sending.answers(1)
        assert sending.ledger.statuses[0] == 200
        assert server.process.wait(30) == 0


def test_api_that_dies_while_draining_takes_nobody_along(tmp_path: Path, sample: bytes) -> None:
    onnx_slow.write(tmp_path / "slow.onnx", seconds=2.0)
    options = ("--models", str(tmp_path), "--cpu-workers", "1", "--api-workers", "2")
    with servers.serve(*options) as server:
        apis = [server.pid("api", 0), server.pid("api", 1)]
        with load.Load(server.url, sample, model="slow", clients=4) as sending:
            wait.wait_until(lambda: sum(map(server.connections, apis)) >= 4, "all are connected")
            wait.wait_until(lambda: server.pending() > 0, "requests are under way")
            # The kernel shares connections out as it likes: the one with fewer leaves some to live.
            victim = min(apis, key=server.connections)
            server.process.send_signal(signal.SIGTERM)
            wait.wait_until(lambda: "stopping" in server.log, "the drain begins")
            servers.signal_if_alive(victim, signal.SIGKILL)
        assert server.process.wait(40) == 0
        assert sending.ledger.settled == sending.ledger.sent, "nobody is left without an end"
        assert set(sending.ledger.statuses) == {200}, "the other api's clients are answered"


def test_signal_while_models_load_ends_the_start(tmp_path: Path) -> None:
    onnx_slow.write(tmp_path / "slow.onnx", seconds=10.0)
    with servers.starting("--models", str(tmp_path), "--cpu-workers", "1") as server:
        wait.wait_until(lambda: "model" in server.log, "the models are read", 30.0)
        assert server.stop(timeout=8.0) == 0
        wait.wait_until(lambda: not server.leftovers(), lambda: str(server.leftovers()), 10.0)


def test_second_signal_forces(tmp_path: Path, sample: bytes) -> None:
    onnx_slow.write(tmp_path / "slow.onnx", seconds=4.0)
    with (
        servers.serve("--models", str(tmp_path), "--cpu-workers", "1") as server,
        load.in_background(server.url, sample, "slow"),
    ):
        wait.wait_until(lambda: server.status()["in_flight"] == 1, "the request is accepted")
        server.process.send_signal(signal.SIGTERM)
        wait.wait_until(lambda: "stopping" in server.log, "the drain begins")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 130


def test_whole_process_group_may_get_the_signal(sample: bytes) -> None:
    """A service manager signals every process of a service; the order must hold all the same."""
    with servers.serve("--cpu-workers", "1") as server:
        pids = [row["pid"] for row in server.status()["processes"] if row["role"] != "broker"]
        for pid in pids:
            servers.signal_if_alive(pid, signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert "restart" not in server.log


def test_signal_after_crashes_is_announced_like_any_other() -> None:
    with servers.serve("--cpu-workers", "1") as server:
        for _ in range(fleet.HOPELESS + 1):
            server.wait_restarted("pre", server.kill("pre"))
        shown = server.get("/metrics").text
        assert f'parallax_restarts{{role="pre"}} {fleet.HOPELESS + 1}.0' in shown
        assert server.stop() == 0
        assert "\nstopping " in server.log
        assert "\nstopped " in server.log
        assert "pre:0 ended: killed by SIGKILL; restart 6 in " in server.log
        assert server.log.count("pre:0 is ready again after ") == fleet.HOPELESS + 1
        assert "the server is not ready: no live process: pre" in server.log
        assert "the server is ready again after " in server.log
        last = server.log.rsplit("\nstopping ", 1)[1]
        assert "not ready" not in last, "what is stopped is not lost"
