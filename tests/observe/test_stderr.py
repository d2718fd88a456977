"""Writes to standard error that nobody reads, or that have no room."""

import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from parallax.observe import stderr

PROGRAM = """
import logging, sys
from parallax.observe import logs, stderr
stderr.never_wait()
logs.configure("test", "info")
for number in range(3000):
    sys.stderr.write("x" * 100 + "\\n")
    logging.getLogger("a").error("y" * 100)
print("done")
"""


@pytest.fixture(params=["pipe", "socket", "terminal"])
def unread(request: pytest.FixtureRequest) -> Iterator[int]:
    """The writing end of something that nobody reads."""
    if request.param == "pipe":
        ends: tuple[int, int] = os.pipe()
    elif request.param == "terminal":
        ends = pty.openpty()
    else:
        near, far = socket.socketpair()
        ends = near.detach(), far.detach()
    yield ends[1]
    for each in ends:
        os.close(each)


def told(descriptor: int) -> str:
    """Return what a process prints whose standard error is this."""
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=descriptor, timeout=30, check=False, text=True
    )
    return str(run.stdout)


def test_what_nobody_reads_stops_nobody(unread: int) -> None:
    assert told(unread) == "done\n"


def test_a_full_device_stops_nobody() -> None:
    with open("/dev/full", "w") as full:
        assert told(full.fileno()) == "done\n"


def test_a_reader_that_is_gone_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    assert told(writing) == "done\n"
    os.close(writing)


def test_others_who_write_to_the_same_pipe_wait_as_before() -> None:
    reading, writing = os.pipe()
    ours = os.dup(writing)
    stderr.unblock(ours)

    assert (os.get_blocking(writing), os.get_blocking(ours)) == (True, False)

    os.write(ours, b"said")
    assert os.read(reading, 100) == b"said"
    for each in (reading, writing, ours):
        os.close(each)
