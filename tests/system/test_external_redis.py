"""A broker of the user's own: nothing of ours is left on it when we go."""

from pathlib import Path

import pytest
import redis

from tests.support import certificates, load, tls_proxy, valkey
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.redis]


def test_server_uses_it_and_leaves_nothing_on_it(sample: bytes) -> None:
    with valkey.short_directory() as directory, valkey.running(directory) as url:
        client = redis.Redis.from_url(url)
        with servers.serve("--redis-url", url, "--node", "east", "--cpu-workers", "1") as server:
            with load.Load(server.url, sample, clients=4) as sending:
                sending.answers(20)
            assert set(sending.ledger.statuses) == {200}
            assert not server.rows("broker"), "it is no process of ours"
            server.wait_idle()
            lasting = {key for key in client.scan_iter() if client.ttl(key) == -1}
            streams = {name.encode() for name in _stream_names(server)}
            assert lasting == streams, "only work streams have no expiry"
        assert [key for key in client.scan_iter() if client.ttl(key) == -1] == []
        client.close()


def _stream_names(server: servers.Server) -> list[str]:
    return [f"{{parallax}}:{name}" for name in server.status()["streams"] if name != "dead"]


def test_second_server_under_the_same_node_name_is_refused() -> None:
    with (
        valkey.short_directory() as directory,
        valkey.running(directory) as url,
        servers.serve("--redis-url", url, "--node", "east", "--lease", "1"),
    ):
        second = servers.run(
            "serve", "--port", "0", "--redis-url", url, "--node", "east", "--lease", "1"
        )
        assert second.returncode == 1
        assert "--node" in second.stderr


def test_two_nodes_share_the_work(sample: bytes) -> None:
    with valkey.short_directory() as directory, valkey.running(directory) as url:
        shared = ("--redis-url", url, "--cpu-workers", "1")
        with (
            servers.serve(*shared, "--node", "east") as east,
            servers.serve(*shared, "--node", "west") as west,
        ):
            with (
                load.Load(east.url, sample, clients=4) as first,
                load.Load(west.url, sample, clients=4) as second,
            ):
                first.answers(30)
                second.answers(30)
            assert set(first.ledger.statuses) == set(second.ledger.statuses) == {200}
            east.wait_idle()
            west.wait_idle()


def issued(folder: Path) -> certificates.Issued:
    folder.mkdir()
    return certificates.issue(folder)


def test_server_uses_a_broker_behind_tls(sample: bytes, tmp_path: Path) -> None:
    own, client = issued(tmp_path / "broker"), issued(tmp_path / "client")
    with (
        valkey.short_directory() as directory,
        valkey.running(directory) as plain,
        tls_proxy.running(
            tls_proxy.server_side(own, client), plain.removeprefix("unix://")
        ) as port,
    ):
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={own.authority}"
        known = f"&ssl_certfile={client.certificate}&ssl_keyfile={client.key}"
        with servers.serve("--redis-url", url + known, "--cpu-workers", "1") as server:
            with load.Load(server.url, sample, clients=4) as sending:
                sending.answers(20)
            assert set(sending.ledger.statuses) == {200}
            assert str(client.key) not in server.log


def test_broker_with_a_certificate_of_a_strange_authority_ends_the_start(tmp_path: Path) -> None:
    own, strange = issued(tmp_path / "broker"), issued(tmp_path / "strange")
    with (
        valkey.short_directory() as directory,
        valkey.running(directory) as plain,
        tls_proxy.running(tls_proxy.server_side(own), plain.removeprefix("unix://")) as port,
    ):
        url = f"rediss://:secret@127.0.0.1:{port}?ssl_ca_certs={strange.authority}"
        ended = servers.run("serve", "--port", "0", "--redis-url", url)

    assert ended.returncode == 1
    assert f"rediss://***@127.0.0.1:{port}" in ended.stderr
    assert "certificate verify failed" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr
