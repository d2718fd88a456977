"""The way to an external broker breaks and comes back, and the broker has no room for us."""

import time
from collections.abc import Iterator

import pytest
import redis

from parallax.broker import link_rules
from tests.support import cuttable, load, valkey, wait
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.redis]

REFUSED = 503
LATE = 504


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """A broker of somebody else's."""
    with valkey.short_directory() as directory, valkey.running(directory) as url:
        yield url


@pytest.fixture(scope="module")
def network(broker: str) -> Iterator[cuttable.Network]:
    """The way to it."""
    with cuttable.to(broker.removeprefix("unix://")) as way:
        yield way


@pytest.fixture(scope="module")
def server(network: cuttable.Network) -> Iterator[servers.Server]:
    """A server at the other end of that way."""
    url = f"redis://127.0.0.1:{network.port}"
    with servers.serve("--redis-url", url, "--cpu-workers", "1", "--lease", "1") as running:
        yield running


def test_a_network_that_is_cut_and_comes_back_costs_no_request(
    server: servers.Server, network: cuttable.Network, sample: bytes
) -> None:
    with load.Load(server.url, sample) as sending:
        sending.answers(20)
        network.cut()
        time.sleep(2.0)  # the fault itself
        network.mend()
        _await_recovery(server, sending)
    sending.ledger.check(REFUSED)
    server.wait_idle()


def test_a_network_that_swallows_all_for_a_while_costs_no_request(
    server: servers.Server, network: cuttable.Network, sample: bytes
) -> None:
    """For longer than anybody waits for an answer of the broker."""
    with load.Load(server.url, sample) as sending:
        sending.answers(20)
        network.swallow()
        time.sleep(link_rules.REPLY_TIMEOUT + 2.0)  # the fault itself
        network.mend()
        _await_recovery(server, sending)
    sending.ledger.check(REFUSED)
    server.wait_idle()


def test_a_broker_without_room_for_connections_ends_no_process(
    server: servers.Server, broker: str, sample: bytes
) -> None:
    before = [(row["role"], row["slot"], row["pid"]) for row in server.status()["processes"]]
    with redis.Redis.from_url(broker) as owner, load.Load(server.url, sample) as sending:
        sending.answers(20)
        owner.config_set("maxclients", 1)
        owner.client_kill_filter(_type="normal", skipme=True)
        wait.wait_until(lambda: server.get("/readiness").status_code == REFUSED, "it is noticed")
        sending.answers(20)
        owner.config_set("maxclients", 1000)
        _await_recovery(server, sending)
    sending.ledger.check(REFUSED)
    after = [(row["role"], row["slot"], row["pid"]) for row in server.status()["processes"]]
    assert after == before
    server.wait_idle()


def _await_recovery(server: servers.Server, sending: load.Load) -> None:
    wait.wait_until(server.answers, "the server is ready again", 30.0)
    sending.answers(40)
    assert sending.ledger.statuses[-1] == 200
