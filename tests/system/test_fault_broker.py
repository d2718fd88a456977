"""A broker that forgets, stands still, dies again and again: requests are answered all the same."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support import load, wait
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.redis]

PATIENCE = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """A server whose leases are shorter than the pauses of its broker."""
    with servers.serve("--cpu-workers", "2", "--lease", "1") as running:
        yield running


@pytest.fixture
def broker(server: servers.Server) -> Iterator[redis.Redis]:
    """The way to its broker."""
    (socket,) = (server.home / "tmp").glob("parallax-run-*/broker.sock")
    with redis.Redis(unix_socket_path=str(socket)) as client:
        yield client


def test_a_broker_that_is_emptied_under_load_costs_no_request(
    server: servers.Server, sample: bytes, broker: redis.Redis
) -> None:
    with load.Load(server.url, sample) as sending:
        sending.answers(20)
        broker.flushall()
        sending.answers(40)
    sending.ledger.check()
    server.wait_idle()


def test_keys_that_expire_all_at_once_cost_no_request(
    server: servers.Server, sample: bytes, broker: redis.Redis
) -> None:
    """That is what a step of the broker's clock does: leases, locks and mailboxes are gone, and
    what is being worked on looks as if nobody had touched it for an hour."""
    dead = server.status()["streams"]["dead"]["length"]
    with load.Load(server.url, sample) as sending:
        for _ in range(3):
            sending.answers(20)
            _step_forward(broker, hours=1)
        sending.answers(20)
    sending.ledger.check()
    assert server.status()["streams"]["dead"]["length"] == dead
    server.wait_idle()


def _step_forward(broker: redis.Redis, hours: float) -> None:
    before = int((time.time() - hours * 3600) * 1000)  # noqa: TID251 - the broker's clock
    for key in list(broker.scan_iter(_type="stream")):
        for group in broker.xinfo_groups(key):
            for row in broker.xpending_range(key, group["name"], "-", "+", 100):
                who, entry = row["consumer"], row["message_id"]
                assert isinstance(who, bytes)
                broker.xclaim(key, group["name"], who, 0, [entry], time=before, justid=True)
    for key in list(broker.scan_iter()):
        if broker.ttl(key) >= 0:
            broker.delete(key)


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_a_broker_that_stands_still_for_longer_than_a_lease_costs_no_request(
    server: servers.Server, sample: bytes, broker: redis.Redis, how: str
) -> None:
    restarts = [row["restarts"] for row in server.status()["processes"]]
    dead = server.status()["streams"]["dead"]["length"]
    pid = server.pid("broker")
    with load.Load(server.url, sample) as sending:
        sending.answers(20)
        if how == "pause":
            broker.client_pause(3000)
        else:
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(3.0)  # the fault itself
            finally:
                os.kill(pid, signal.SIGCONT)
        sending.answers(40)
    sending.ledger.check()
    assert server.status()["streams"]["dead"]["length"] == dead, "nobody was blamed for it"
    assert [row["restarts"] for row in server.status()["processes"]] == restarts
    server.wait_idle()


def test_a_broker_that_dies_again_and_again_is_started_later_and_later_and_comes_back(
    server: servers.Server, sample: bytes
) -> None:
    (row,) = server.rows("broker")
    with load.Load(server.url, sample, clients=4) as sending:
        for _ in range(4):
            pid = server.kill("broker")
            server.wait_restarted("broker", pid)
        sending.answers(20)
    sending.ledger.check(503)
    assert sending.ledger.statuses[-1] == 200
    assert server.rows("broker")[0]["restarts"] == row["restarts"] + 4
    server.wait_idle()


def test_a_broker_that_keeps_its_data_goes_on_with_it(tmp_path: Path, sample: bytes) -> None:
    options = ("--durability", "everysec", "--cache-dir", str(tmp_path), "--cpu-workers", "1")
    with servers.serve(*options, "--lease", "1") as server:
        with load.Load(server.url, sample) as sending:
            for _ in range(2):
                sending.answers(20)
                pid = server.kill("broker")
                server.wait_restarted("broker", pid)
            sending.answers(40)
        sending.ledger.check(503)
        assert sending.ledger.statuses[-1] == 200
        server.wait_idle()
        wait.wait_until(lambda: server.get("/readiness").status_code == 200, "ready", PATIENCE)
