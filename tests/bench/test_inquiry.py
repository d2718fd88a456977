"""Why a server does not say which models it has."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallax.bench import failures, inquiry
from tests.support import certificates


class Server(http.server.HTTPServer):
    """Answers everything with one status."""

    code = 200


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def why(url: str) -> str:
    with pytest.raises(failures.BenchError) as caught:
        inquiry.Server(url, "wrong").first_model()
    return str(caught.value)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (200, "does not say which models it serves; name one with --model"),
        (401, "does not let us in (401): name one of its API keys with --api-key"),
        (404, "(404 Not Found); check --url and --api-key, or name a model with --model"),
    ],
)
def test_what_the_server_answers_instead_is_told(server: Server, code: int, told: str) -> None:
    server.code = code
    assert told in why(f"http://127.0.0.1:{server.server_port}")


def test_a_server_that_is_not_there_is_told() -> None:
    assert "does not answer (" in why("http://127.0.0.1:1")


def test_a_certificate_that_is_not_trusted_is_told(server: Server, tmp_path: Path) -> None:
    issued = certificates.issue(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}"

    assert "not trusted" in why(url)
    with pytest.raises(failures.BenchError, match="set SSL_CERT_FILE"):
        inquiry.Server(url, None).check_trust()


def test_a_refusal_is_no_question_of_trust(server: Server) -> None:
    server.code = 401
    inquiry.Server(f"http://127.0.0.1:{server.server_port}", None).check_trust()
