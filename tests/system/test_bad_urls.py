"""Pictures by URL: whatever a client writes, nobody on this machine or its network hears of it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support import server as servers

pytestmark = pytest.mark.system

OPTIONS: list[tuple[str, ...]] = [(), ("--url-non-https", "--url-without-fqdn")]
HOSTS = (
    "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0",
    "127.0.0.1.", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::1%25lo]", "127\u30020\u30020\u30021",
    "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1", "example.com@127.0.0.1",
    "127.0.0.1#@example.com", "127.0.0.1\\@example.com", "127.0.0.1%23.example.com",
    "example.com\r\n127.0.0.1", "0.0.0.0", "169.254.169.254", "metadata.google.internal",
)  # fmt: skip
SCHEMES = ("http", "https", "HTTP", "ftp", "gopher", "file", "dict", "unix", "data")


class Listener:
    """A server of the private network that counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self.port = 0


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen on a port of this machine, for both families if there are both."""
    found = Listener()
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", 0), family=family, dualstack_ipv6=both) as door:
        found.port = door.getsockname()[1]

        def accept() -> None:
            while True:
                visitor = door.accept()[0]
                with visitor:
                    if visitor.recv(1) == b".":
                        return
                    found.visits += 1

        thread = threading.Thread(target=accept)
        thread.start()
        yield found
        with socket.create_connection(("127.0.0.1", found.port)) as last:
            last.sendall(b".")
        thread.join()


@pytest.mark.parametrize("options", OPTIONS)
def test_no_spelling_of_a_private_host_is_connected_to(options: tuple[str, ...]) -> None:
    with listening() as private, servers.serve("--cpu-workers", "1", *options) as server:
        for url in urls(private.port):
            call = {"model_id": "demo", "image": {"type": "url", "value": url}}
            answer = httpx.post(server.url + "/infer/object_detection", json=call, timeout=30)
            assert answer.status_code == 400, (url, answer.text)
            assert "Could not load input image" in answer.json()["message"], url
    assert private.visits == 0


def urls(port: int) -> Iterator[str]:
    """Yield every host in two schemes, and one host in every scheme, with a port and without."""
    for place in (f":{port}/a.jpg", "/a.jpg"):
        yield from (f"{scheme}://{host}{place}" for host in HOSTS for scheme in ("http", "https"))
        yield from (f"{scheme}://127.0.0.1{place}" for scheme in SCHEMES)
    yield from (
        "/etc/passwd",
        "//127.0.0.1/",
        "file:///etc/passwd",
        "",
        "http://",
        "http:127.0.0.1",
    )
