"""One connection for one thread. The rules of all links stand in ``link_rules``."""

import select
import ssl
import time
from collections.abc import Sequence
from typing import Any

from redis import exceptions

from parallax.broker import decode, link_rules, replies
from parallax.broker.link_rules import BrokenLinkError

READ_SIZE = 1 << 17


class BlockingLink:
    """A connection for one thread; ``guides`` are the sentinels' clients that find its server.

    redis-py makes the connection (TLS, login, Sentinel), then its socket is used directly.
    """

    def __init__(self, connection: Any, guides: Sequence[Any] = ()) -> None:
        self._connection = connection
        self._guides = guides
        self._used = 0.0
        self._timeout = 0.0
        self._poll: select.poll | None = None
        self._replies = replies.Replies()
        # Kept: a new buffer of this size would be mapped and unmapped by malloc for each reply.
        self._buffer = bytearray(READ_SIZE)

    def round_trip(self, payload: bytes, count: int, wait: float) -> list[decode.Reply]:
        """Send commands and return their replies; ``wait`` is how long the server may hold them.

        Raises:
            BrokenLinkError: not connected, cut off, or silent for too long.
        """
        self._make_ready()
        intact = False
        try:
            found = self._exchange(payload, count, wait)
            intact = not self._replies.demoted
        except TimeoutError as problem:
            raise BrokenLinkError(str(problem), lost=False) from problem
        except (OSError, replies.ProtocolError) as problem:
            raise BrokenLinkError(str(problem), lost=True) from problem
        finally:
            if not intact:
                self.close()
        self._used = time.monotonic()
        return found

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._connection.disconnect()
        for guide in self._guides:
            guide.close()

    def _exchange(self, payload: bytes, count: int, wait: float) -> list[decode.Reply]:
        socket = self._connection._sock
        if wait + link_rules.REPLY_TIMEOUT > self._timeout:
            # Raised and never lowered: each change is a system call.
            self._timeout = wait + link_rules.REPLY_TIMEOUT
            socket.settimeout(self._timeout)
        socket.sendall(payload)
        while True:
            size = socket.recv_into(self._buffer)
            if not size:
                raise ConnectionResetError("the broker closed the connection")
            if self._replies.feed(self._buffer, size, count):
                return self._replies.take()

    def _make_ready(self) -> None:
        if self._connection.is_connected:
            if self._is_alive():
                return
            self.close()
        try:
            self._connection.connect()
        except (exceptions.RedisError, OSError) as problem:
            self.close()
            raise BrokenLinkError(str(problem), lost=False) from problem
        self._replies = replies.Replies()
        self._timeout = 0.0
        socket = self._connection._sock
        self._poll = None
        if not isinstance(socket, ssl.SSLSocket):
            self._poll = select.poll()
            self._poll.register(socket, select.POLLIN)

    def _is_alive(self) -> bool:
        """Nothing may lie in the socket now: if something does, it is the end or an alien reply."""
        try:
            if self._can_read():
                return False
            if time.monotonic() - self._used > link_rules.IDLE_CHECK:
                return self._exchange(link_rules.PING, 1, 0.0) == [b"PONG"]
        except (exceptions.RedisError, OSError, replies.ProtocolError):
            return False
        return True

    def _can_read(self) -> bool:
        if self._poll is None:  # under TLS, bytes may be there that the socket no longer has
            return bool(self._connection.can_read(0))
        return bool(self._poll.poll(0))
