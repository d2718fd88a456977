"""Accepting on sockets that somebody else has bound."""

import resource
import socket
from collections.abc import AsyncIterator

import pytest

from parallax.gateway.edge import listener
from tests.gateway import support
from tests.gateway.edge import serving


class Door:
    """A listener and what it has accepted."""

    def __init__(self) -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        self.address = bound.getsockname()
        self.descriptor = bound.detach()
        self.accepted: list[socket.socket] = []
        self.listener = listener.Listener([self.descriptor], self.accepted.append)
        self.clients: list[socket.socket] = []

    def knock(self) -> None:
        """Connect."""
        self.clients.append(socket.create_connection(self.address))

    def close(self) -> None:
        """Close everything."""
        self.listener.close()
        for each in (*self.clients, *self.accepted):
            each.close()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A listener in the running loop."""
    made = Door()
    yield made
    made.close()


async def test_who_connects_is_accepted(door: Door) -> None:
    door.knock()
    await support.wait_until(lambda: len(door.accepted) == 1, "it is accepted")
    assert not door.accepted[0].getblocking()


async def test_all_that_have_connected_can_be_accepted_at_once(door: Door) -> None:
    for _ in range(100):
        door.knock()
    door.listener.accept_waiting()
    assert len(door.accepted) == 100


async def test_while_held_nobody_is_accepted(door: Door) -> None:
    door.listener.hold()
    door.knock()
    door.listener.accept_waiting()
    assert not door.accepted
    door.listener.go_on()
    await support.wait_until(lambda: len(door.accepted) == 1, "it is accepted")


async def test_closing_closes_the_descriptor(door: Door) -> None:
    door.listener.close()
    assert serving.closed(door.descriptor)


async def test_a_process_without_descriptors_accepts_later(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "PAUSE", 0.01)
    door.knock()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (door.descriptor, hard))
    try:
        door.listener.accept_waiting()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert not door.accepted
    assert "no connection can be accepted for now" in caplog.text
    await support.wait_until(lambda: len(door.accepted) == 1, "it is accepted")
