"""A closed loop over plain sockets, which looks at every answer.

It shares the cores with the server, so it does little: one thread waits for all connections,
requests are bytes made beforehand, and an answer is right if its status is 200 and it has as many
predictions as the first answer to the same picture had.
"""

import re
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PREDICTION = b'"detection_id"'
_TIMEOUT = 30.0
_PIECE = 1 << 18


class LoadError(Exception):
    """The server does not answer as HTTP servers do."""


@dataclass
class Found:
    """What came of a phase."""

    seconds: list[float] = field(default_factory=list)
    """Latencies of the right answers that came within the phase."""
    wrong: int = 0
    """Other answers."""
    client_cpu: float = 0.0
    """CPU seconds of this process."""


def request(port: int, path: str, picture: bytes) -> bytes:
    """Return a POST of a picture as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    return head.encode() + picture


class Connection:
    """One connection with one request in flight."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.picture = 0
        self.started = 0.0
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._head = self._total = 0

    def begin(self, picture: int, content: bytes) -> None:
        """Begin to send a request."""
        self.picture, self.started = picture, time.monotonic()
        self._received.clear()
        self._head = self._total = 0
        self._unsent = memoryview(content)

    def send(self) -> bool:
        """Send what the socket takes; say whether all is sent."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            return False
        return True

    def receive(self) -> tuple[bytes, bytes] | None:
        """Return status and body once the answer is whole.

        Raises:
            LoadError: the connection ended, or the answer does not say how long it is.
        """
        piece = self.socket.recv(_PIECE)
        if not piece:
            raise LoadError("the server closed a connection")
        self._received += piece
        if not self._head:
            self._head = self._received.find(b"\r\n\r\n") + 4
            if self._head < 4:
                self._head = 0
                return None
            length = _LENGTH.search(self._received, 0, self._head)
            if length is None:
                raise LoadError(f"no Content-Length: {bytes(self._received[: self._head])!r}")
            self._total = self._head + int(length[1])
        if len(self._received) < self._total:
            return None
        return bytes(self._received[9:12]), bytes(self._received[self._head :])


def first_answers(port: int, requests: Sequence[bytes]) -> list[int]:
    """Return the number of predictions in the answer to each request.

    Raises:
        LoadError: an answer has another status than 200.
    """
    counts: list[int] = []
    connection = Connection(port)
    with connection.socket:
        connection.socket.settimeout(_TIMEOUT)
        for content in requests:
            connection.begin(len(counts), content)
            connection.send()
            while (got := connection.receive()) is None:
                pass
            if got[0] != b"200":
                raise LoadError(f"{got[0].decode()}: {got[1][:300]!r}")
            counts.append(got[1].count(_PREDICTION))
    return counts


class Loop:
    """So many clients, each of which sends the next picture when it has the answer to the last."""

    def __init__(self, requests: Sequence[bytes], expected: Sequence[int]) -> None:
        self._requests, self._expected = requests, expected
        self._found = Found()
        self._sent = self._flying = 0
        self._until = 0.0
        self._selector = selectors.DefaultSelector()

    def run(self, port: int, clients: int, seconds: float) -> Found:
        """Send for so long, and wait for the last answers.

        Raises:
            LoadError: a connection broke, or an answer did not come.
        """
        used = time.process_time()
        connections = [Connection(port) for _ in range(clients)]
        self._until = time.monotonic() + seconds
        try:
            for connection in connections:
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
                self._flying += 1
                self._next(connection)
            while self._flying:
                self._turn()
        finally:
            self._selector.close()
            for connection in connections:
                connection.socket.close()
        self._found.client_cpu = time.process_time() - used
        return self._found

    def _turn(self) -> None:
        events = self._selector.select(_TIMEOUT)
        if not events:
            raise LoadError(f"no answer for {_TIMEOUT:.0f} s")
        for key, event in events:
            connection: Connection = key.data
            if event & selectors.EVENT_WRITE and connection.send():
                self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
            if event & selectors.EVENT_READ:
                self._read(connection)

    def _next(self, connection: Connection) -> None:
        picture = self._sent % len(self._requests)
        self._sent += 1
        connection.begin(picture, self._requests[picture])
        if not connection.send():
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(connection.socket, both, connection)

    def _read(self, connection: Connection) -> None:
        got = connection.receive()
        if got is None:
            return
        now = time.monotonic()
        right = got[0] == b"200"
        if not right or got[1].count(_PREDICTION) != self._expected[connection.picture]:
            self._found.wrong += 1
        elif now <= self._until:
            self._found.seconds.append(now - connection.started)
        if now < self._until:
            self._next(connection)
        else:
            self._flying -= 1
