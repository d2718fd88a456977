"""Accepts connections on sockets that somebody else has bound, and that siblings may share."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Connections accepted in one turn of the loop, so that a burst does not hold up the others."""
PAUSE = 0.5
"""Seconds without accepting when the process or the machine has no descriptor left."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """Hands accepted sockets to ``accepted``; owns the descriptors it is given.

    While ``held`` nothing is accepted: who connects waits, or is taken by a sibling.
    """

    def __init__(self, descriptors: Sequence[int], accepted: Callable[[socket.socket], None]):
        self._loop = asyncio.get_running_loop()
        self._accepted = accepted
        self.held = False
        self._sockets = [socket.socket(fileno=each) for each in descriptors]
        for each in self._sockets:
            each.setblocking(False)
            self._loop.add_reader(each, self._accept, each, AT_ONCE)

    def accept_waiting(self) -> None:
        """Accept all that have already connected."""
        for each in self._sockets:
            self._accept(each, 1_000_000)

    def hold(self) -> None:
        """Accept nothing for now."""
        self.held = True
        for each in self._sockets:
            self._loop.remove_reader(each)

    def go_on(self) -> None:
        """Accept again."""
        self.held = False
        for each in self._sockets:
            self._resume(each)

    def close(self) -> None:
        """Stop listening. What nobody has accepted is reset when the last sibling does the same."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        self._sockets = []

    def _accept(self, listening: socket.socket, at_most: int) -> None:
        for _ in range(at_most):
            if self.held:
                return
            try:
                connected, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # gone before it was accepted
            except OSError as problem:
                if problem.errno not in _EXHAUSTED:
                    raise
                self._pause(listening, problem)
                return
            connected.setblocking(False)
            self._accepted(connected)

    def _pause(self, listening: socket.socket, problem: OSError) -> None:
        log.warning("no connection can be accepted for now: %s", problem.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(PAUSE, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets and not self.held:
            self._loop.add_reader(listening, self._accept, listening, AT_ONCE)
