"""Being process 1 of a container: reap everything, forward signals, leave the work to a child.

The kernel hands orphans to process 1 and delivers it no signal it has no handler for. A supervisor
that also reaped strangers' children would race with its own, so as process 1 we fork at once: the
parent is this small init, the child the supervisor.
"""

import contextlib
import os
import signal
from collections.abc import Callable

FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


_WATCHED = {*FORWARDED, signal.SIGCHLD}


def guard(work: Callable[[], int]) -> int:
    """Run ``work`` and return its exit code; as process 1, in a child that is looked after."""
    if os.getpid() != 1:
        return work()
    # Blocked before the child exists: the kernel drops what process 1 neither handles nor blocks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return work()
    return _look_after(child)


def _look_after(child: int) -> int:
    # Signals are waited for and not handled: a handler of Python's that is due just before a
    # blocking call runs only after it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    while (code := _reap(child)) is None:
        number = signal.sigwait(_WATCHED)
        if number != signal.SIGCHLD:
            _forward(child, number)
    return code


def _forward(child: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signum)


def _reap(child: int) -> int | None:
    """Reap all that has ended; return the exit code of the child if it was among them."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
            if pid == 0:
                return None
    except ChildProcessError:
        return 1
