"""What /proc says of processes that we know."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallax.chaos import processes
from tests.support import wait

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")

NOBODY = 2**22 + 1
"""Above the largest pid of the kernel."""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def test_a_child_is_known_by_parent_birth_and_name(child: subprocess.Popen[bytes]) -> None:
    assert processes.parent(child.pid) == os.getpid()
    assert processes.birth(child.pid) >= processes.birth(os.getpid()) > 0
    wait.wait_until(lambda: "input()" in processes.name(child.pid), "it runs its program")
    assert processes.alive(child.pid)
    assert processes.memory_mb(child.pid) > 0
    assert processes.files(child.pid) >= 3


def test_a_stopped_process_stands_still_and_a_dead_one_is_a_zombie(
    child: subprocess.Popen[bytes],
) -> None:
    assert not processes.still(child.pid)
    child.send_signal(signal.SIGSTOP)
    wait.wait_until(lambda: processes.still(child.pid), "it is stopped")
    assert processes.alive(child.pid)
    child.kill()
    wait.wait_until(lambda: processes.zombie(child.pid), "it has ended")
    assert not processes.alive(child.pid)
    assert processes.still(child.pid)


def test_a_process_that_never_was_is_nothing() -> None:
    assert processes.parent(NOBODY) == processes.birth(NOBODY) == processes.files(NOBODY) == 0
    assert processes.memory_mb(NOBODY) == 0.0
    assert not processes.alive(NOBODY)
    assert not processes.zombie(NOBODY)
    assert processes.still(NOBODY)
    assert processes.client_ports(NOBODY) == frozenset()
    assert processes.unix_socket(NOBODY) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_ports_of_clients_are_those_of_connections_that_were_accepted(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"there is no {host} here")
    with listening, socket.create_connection(listening.getsockname()[:2]) as client:
        port = client.getsockname()[1]
        assert port not in processes.client_ports(os.getpid())  # nobody has it yet
        accepted, _ = listening.accept()
        with accepted:
            assert port in processes.client_ports(os.getpid())
        assert port not in processes.client_ports(os.getpid())


def test_the_unix_socket_of_a_process_is_found(tmp_path: Path) -> None:
    path = tmp_path / "s"
    before = processes.unix_socket(os.getpid())
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        assert processes.unix_socket(os.getpid()) in (path, before)
        assert before is not None or processes.unix_socket(os.getpid()) == path
