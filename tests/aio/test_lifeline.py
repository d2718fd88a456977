"""The child's end of the lifeline."""

import queue
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from parallax.aio import lifeline as lifelines
from parallax.contract import lifeline

SOURCES = Path(__file__).parents[2] / "src"

# Listening threads of this process end it at end-of-file, so their sockets stay open.
_kept: list[socket.socket] = []

ORPHAN = """
import socket, sys, threading
from parallax.aio import lifeline
end = socket.socket(fileno=int(sys.argv[1]))
line = lifeline.Lifeline(end)
line.listen(lambda message: print(type(message).__name__, flush=True))
print("listening", flush=True)
threading.Event().wait()
"""


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def test_what_a_child_says_arrives_message_by_message() -> None:
    supervisor, child = pair()
    decode = msgspec.msgpack.Decoder(lifeline.FromChild).decode
    line = lifelines.Lifeline(child)
    said: list[lifeline.FromChild] = [
        lifeline.Hello(7),
        lifeline.Ready("2 models"),
        lifeline.Failed("model_refused", "no"),
        lifeline.Drained(),
    ]
    with supervisor, child:
        for message in said:
            line.say(message)

        heard = [decode(supervisor.recv(lifelines.MESSAGE_BYTES)) for _ in said]

    assert heard == said


def test_a_child_whose_supervisor_is_gone_may_still_speak() -> None:
    supervisor, child = pair()
    supervisor.close()

    with child:
        lifelines.Lifeline(child).say(lifeline.Ready())


@pytest.mark.parametrize(
    "message",
    [
        lifeline.Drain(),
        lifeline.Stop(),
        lifeline.Health(False, "x", 1.5, (lifeline.ProcessInfo("pre", 0, 9, "ready", 2, 0.5),)),
    ],
)
def test_a_child_hears_what_the_supervisor_says(message: lifeline.ToChild) -> None:
    supervisor, child = pair()
    heard: queue.Queue[lifeline.ToChild] = queue.Queue()
    lifelines.Lifeline(child).listen(heard.put)
    _kept.extend((supervisor, child))

    supervisor.send(msgspec.msgpack.encode(message))

    assert heard.get(timeout=5) == message


def test_a_child_ends_when_its_supervisor_is_gone_whatever_it_does() -> None:
    supervisor, child = pair()
    with (
        child,
        subprocess.Popen(
            [sys.executable, "-c", ORPHAN, str(child.fileno())],
            pass_fds=[child.fileno()],
            stdout=subprocess.PIPE,
            cwd=SOURCES,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        supervisor.send(msgspec.msgpack.encode(lifeline.Stop()))
        assert process.stdout.readline() == b"Stop\n"
        child.close()

        supervisor.close()

        assert process.wait(10) == lifelines.ORPHANED


def test_signals_of_the_terminal_are_left_to_the_supervisor() -> None:
    code = (
        "import os, signal; from parallax.aio import signals\n"
        "signals.leave_to_supervisor()\n"
        "for number in (signal.SIGINT, signal.SIGTERM): os.kill(os.getpid(), number)\n"
        "print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SOURCES,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "alive\n"
