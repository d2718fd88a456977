"""Who gets at the broker that the server runs: its own processes, and whoever has the password."""

import ipaddress
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support import load, valkey
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.redis]


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """A server whose broker also listens on a port."""
    port = str(valkey.free_port())
    with servers.serve("--cpu-workers", "1", "--redis-port", port) as running:
        yield running


def run_dir(server: servers.Server) -> Path:
    (found,) = (server.home / "tmp").glob("parallax-run-*")
    return found


def port(server: servers.Server) -> int:
    arguments = Path(f"/proc/{server.process.pid}/cmdline").read_text().split("\0")
    return int(arguments[len(arguments) - arguments[::-1].index("--redis-port")])


def password(server: servers.Server) -> str:
    return (run_dir(server) / "redis-password").read_text()


def test_files_of_the_broker_are_for_their_owner_only(server: servers.Server) -> None:
    folder = run_dir(server)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("broker.sock", "broker.log", "redis-password"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    for path in server.shm.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("given", [None, "", "wrong"])
def test_port_and_socket_want_the_password(server: servers.Server, given: str | None) -> None:
    socket = str(run_dir(server) / "broker.sock")
    for one in (
        redis.Redis(port=port(server), password=given),
        redis.Redis(unix_socket_path=socket, password=given),
    ):
        with one, pytest.raises(redis.AuthenticationError):
            one.ping()


def test_password_opens_the_port_but_not_the_machine(server: servers.Server) -> None:
    with redis.Redis(port=port(server), password=password(server)) as one:
        assert one.ping()
        for command in (
            ("CONFIG", "SET", "dir", "/tmp"),
            ("MODULE", "LOAD", "/nowhere.so"),
            ("DEBUG", "RELOAD"),
        ):
            with pytest.raises(redis.ResponseError):
                one.execute_command(*command)


def test_port_is_one_of_loopback(server: servers.Server) -> None:
    hosts = listening(port(server))
    assert hosts
    assert all(host.is_loopback for host in hosts)


def listening(port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses on which somebody listens at a port."""
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, _, number = line.split()[1].partition(":")
            if line.split()[3] == "0A" and int(number, 16) == port:
                words = [
                    bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)
                ]
                found.append(ipaddress.ip_address(b"".join(words)))
    return found


def test_password_is_in_no_log_command_line_or_environment(
    server: servers.Server, sample: bytes
) -> None:
    assert load.detect(server.url, sample).status_code == 200
    secret = password(server)
    assert len(secret) >= 24
    assert secret not in server.log
    server.status()
    for pid in server.pids:
        for name in ("cmdline", "environ"):
            assert secret.encode() not in Path(f"/proc/{pid}/{name}").read_bytes(), (pid, name)


def test_each_start_has_a_password_of_its_own(server: servers.Server) -> None:
    with servers.serve("--cpu-workers", "1", "--redis-port", str(valkey.free_port())) as other:
        assert password(other) != password(server)
