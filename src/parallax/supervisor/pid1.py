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


def guard(work: Callable[[], int]) -> int:
    """Run ``work`` and return its exit code; as process 1, in a child that is looked after."""
    if os.getpid() != 1:
        return work()
    child = os.fork()
    if child == 0:
        return work()
    for number in FORWARDED:
        signal.signal(number, lambda signum, _: _forward(child, signum))
    return _reap_until(child)


def _forward(child: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signum)


def _reap_until(child: int) -> int:
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return 1
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
