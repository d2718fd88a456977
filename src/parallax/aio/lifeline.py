"""The child's end of its lifeline, the socket to the supervisor.

A thread listens on it in every kind of child, with or without an event loop, for one reason:
whatever the child is busy with, it must notice that its supervisor is gone and not outlive it.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable

import msgspec

from parallax.contract import lifeline

log = logging.getLogger(__name__)

ORPHANED = 70
"""Exit status of a child whose supervisor has gone."""

MESSAGE_BYTES = 1 << 17
"""Largest message; the socket keeps message boundaries, so one read is one message."""

_decoder = msgspec.msgpack.Decoder(lifeline.ToChild)
_encoder = msgspec.msgpack.Encoder()


class Lifeline:
    """Speaks to the supervisor; ``listen`` hands on what it says."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()

    def say(self, message: lifeline.FromChild) -> None:
        """Tell the supervisor something; a supervisor that is gone is the listener's business."""
        try:
            with self._sending:
                self._end.send(_encoder.encode(message))
        except OSError:
            log.debug("the supervisor is gone")

    def listen(self, hear: Callable[[lifeline.ToChild], None]) -> None:
        """Start to listen: ``hear`` is called in the listening thread."""
        thread = threading.Thread(target=self._listen, args=(hear,), name="lifeline", daemon=True)
        thread.start()

    def _listen(self, hear: Callable[[lifeline.ToChild], None]) -> None:
        while True:
            try:
                data = self._end.recv(MESSAGE_BYTES)
            except OSError:
                data = b""
            if not data:
                # No clean-up: what this process held comes back to its stream, by lease or by
                # claim.
                os._exit(ORPHANED)
            hear(_decoder.decode(data))
