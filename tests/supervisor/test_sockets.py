"""Listening sockets: bound before anything starts, or a reason."""

import errno
import socket
import sys

import pytest

from parallax.contract import errors
from parallax.supervisor import sockets
from tests.support import wait


def close(bound: list[socket.socket]) -> None:
    for each in bound:
        each.close()


def test_a_free_port_is_picked_and_listened_on() -> None:
    bound = sockets.bind("127.0.0.1", 0)
    port = bound[0].getsockname()[1]

    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass

    assert port > 0
    assert not bound[0].getblocking()
    close(bound)


def test_a_taken_port_is_named_with_the_option_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(errors.StartupError, match=rf"port {port} .* in use .*--port"):
            sockets.bind("127.0.0.1", port)


def test_a_port_can_be_bound_again_at_once() -> None:
    first = sockets.bind("127.0.0.1", 0)
    port = first[0].getsockname()[1]
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        close(first)

    close(sockets.bind("127.0.0.1", port))


def test_a_host_that_does_not_exist_is_named() -> None:
    with pytest.raises(errors.StartupError, match=r"--host: 'no\.such\.host\.invalid'"):
        sockets.bind("no.such.host.invalid", 0)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(errors.StartupError, match=r"cannot listen on 192\.0\.2\.1"):
        sockets.bind("192.0.2.1", 0)


def test_a_port_in_use_names_the_option_that_chose_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.StartupError, match=rf"--redis-port: port {port} .*in use"):
            sockets.check_free("127.0.0.1", port, "--redis-port")
    sockets.check_free("127.0.0.1", port, "--redis-port")


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is of Linux")
def test_who_is_turned_away_is_refused_and_who_had_connected_is_not() -> None:
    (listening,) = sockets.bind("127.0.0.1", 0)
    with listening, socket.socket() as early, socket.socket() as late:
        early.connect(listening.getsockname())
        sockets.turn_away([listening])
        late.setblocking(False)
        late.connect_ex(listening.getsockname())
        accepted, _ = listening.accept()
        accepted.close()
        with pytest.raises(BlockingIOError):
            listening.accept()
        listening.close()
        refused = errno.ECONNREFUSED
        wait.wait_until(
            lambda: late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == refused, "no", 30.0
        )
