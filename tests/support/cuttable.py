"""A network to a broker that can be cut: a proxy from a port of loopback to a unix socket."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

_PIECE = 1 << 16


class Network:
    """Passes bytes on. ``cut`` and ``swallow`` break it, ``mend`` repairs it."""

    def __init__(self, socket_path: str) -> None:
        self._target = socket_path
        self._selector = selectors.DefaultSelector()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listening.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._up = True
        self._deaf = False
        self._over = False
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="network")
        self._thread.start()

    def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        with self._lock:
            self._up = False
            for each in list(self._peers):
                self._drop(each)

    def swallow(self) -> None:
        """Accept connections and pass nothing on."""
        with self._lock:
            self._deaf = True

    def mend(self) -> None:
        """Pass on again; what was swallowed meanwhile is passed on too."""
        with self._lock:
            self._up, self._deaf = True, False

    def close(self) -> None:
        """End it."""
        self._over = True
        self._thread.join()
        self.cut()
        self._listening.close()

    def _run(self) -> None:
        while not self._over:
            with self._lock:
                deaf = self._deaf
            if deaf:
                threading.Event().wait(0.01)
                continue
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    if ready is self._listening:
                        self._accept()
                    elif ready in self._peers and not self._deaf:
                        self._pass_on(ready)

    def _accept(self) -> None:
        near, _ = self._listening.accept()
        if not self._up:
            near.close()
            return
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self._target)
        except OSError:
            near.close()
            return
        self._peers[near], self._peers[far] = far, near
        for each in (near, far):
            self._selector.register(each, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        try:
            content = source.recv(_PIECE)
            if content:
                self._peers[source].sendall(content)
                return
        except OSError:
            pass
        self._drop(source)

    def _drop(self, one: socket.socket) -> None:
        other = self._peers.pop(one, None)
        if other is None:
            return
        del self._peers[other]
        for each in (one, other):
            self._selector.unregister(each)
            each.close()


@contextlib.contextmanager
def to(socket_path: str) -> Iterator[Network]:
    """Make a network to a unix socket."""
    network = Network(socket_path)
    try:
        yield network
    finally:
        network.mend()
        network.close()
