"""What the real child processes of the tests do."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

from parallax.aio import lifeline as lifelines
from parallax.aio import signals
from parallax.contract import lifeline

_attached: list[lifelines.Lifeline] = []


def obey(end: socket.socket, detail: str = "") -> None:
    """Work until told to stop."""
    _greet(end)
    run(detail)


def exit_with(end: socket.socket, status: int) -> None:
    """End at once."""
    _greet(end)
    raise SystemExit(status)


def hang(end: socket.socket) -> None:
    """Listen, but do nothing for ever."""
    _greet(end)
    line = _attached.pop()
    line.listen(lambda message: None)
    line.say(lifeline.Ready())
    threading.Event().wait()


def attach(end: socket.socket) -> None:
    """Initializer of an executor's process."""
    signals.leave_to_supervisor()
    _greet(end)


def run(detail: str = "") -> None:
    """The long call of an executor's process."""
    stop = threading.Event()
    line = _attached.pop()
    line.listen(lambda message: stop.set() if isinstance(message, lifeline.Stop) else None)
    line.say(lifeline.Ready(detail))
    stop.wait()


def fail() -> None:
    """A call that fails."""
    raise RuntimeError("a bug")


def sleep_for_ever() -> None:
    """A call that does not end."""
    threading.Event().wait()


def kill_myself() -> None:
    """A call during which the process is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail_to_attach(end: socket.socket) -> None:
    """An initializer that fails."""
    raise RuntimeError("cannot attach")


def _greet(end: socket.socket) -> None:
    line = lifelines.Lifeline(end)
    line.say(lifeline.Hello(os.getpid()))
    _attached.append(line)


Main = Callable[..., None]


def measuring_ends(*request: object) -> None:
    """Die in place of a measurement."""
    os._exit(1)


def measuring_hangs(*request: object) -> None:
    """Wait in place of a measurement, for longer than anybody does."""
    time.sleep(60)
