"""HTTPS from the command line to the answer: start, status, bench, and a certificate that is no
good."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.support import certificates, load, wait
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def parallax(server: servers.Server, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of parallax as a client of the server."""
    return subprocess.run(
        [sys.executable, "-m", "parallax", *command],
        env=servers.environment(server.home) | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> certificates.Issued:
    """The server's certificate."""
    return certificates.issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(issued: certificates.Issued) -> Iterator[servers.Server]:
    """A server that shows it."""
    with serving(issued) as running:
        yield running


@contextlib.contextmanager
def serving(issued: certificates.Issued) -> Iterator[servers.Server]:
    """Run a server with a certificate."""
    files = ("--tls-cert", str(issued.certificate), "--tls-key", str(issued.key))
    with servers.starting("--cpu-workers", "1", *files) as running:
        wait.wait_until(lambda: servers.READY.search(running.log), "it is ready", 60.0)
        match = servers.READY.search(running.log)
        assert match is not None
        running.url = match[1]
        yield running
        assert running.stop() == 0


def test_a_picture_is_answered_over_https(
    server: servers.Server, issued: certificates.Issued, sample: bytes
) -> None:
    assert server.url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=issued.authority)
    with httpx.Client(verify=trust, timeout=60) as client:
        answer = client.post(f"{server.url}/infer/object_detection", json=load.body(sample))
    assert answer.status_code == 200


def test_the_status_of_the_settings_server_trusts_its_certificate(
    server: servers.Server, issued: certificates.Issued
) -> None:
    port, file = str(httpx.URL(server.url).port), str(issued.certificate)
    done = parallax(server, "status", "--json", PARALLAX_PORT=port, PARALLAX_TLS_CERT=file)
    assert orjson.loads(done.stdout)["ready"], done.stderr


def test_the_status_of_a_named_server_wants_a_trusted_certificate(
    server: servers.Server, issued: certificates.Issued
) -> None:
    asked = ("status", "--url", server.url)
    assert parallax(server, *asked, SSL_CERT_FILE=str(issued.authority)).returncode == 0
    stranger = parallax(server, *asked)
    assert stranger.returncode != 0
    assert "certificate verify failed" in stranger.stderr


def test_bench_measures_over_https(server: servers.Server, issued: certificates.Issued) -> None:
    asked = ("bench", "--url", server.url, "--duration", "1", "--warmup", "0")
    done = parallax(server, *asked, SSL_CERT_FILE=str(issued.authority))
    assert done.returncode == 0, done.stderr
    for more in ((), ("--model", "demo")):
        stranger = parallax(server, *asked, *more)
        assert stranger.returncode != 0
        assert "not trusted" in stranger.stderr
        assert "set SSL_CERT_FILE" in stranger.stderr


def status(server: servers.Server, authority: bytes) -> dict[str, Any] | None:
    """Return the status if the server shows a certificate of this authority."""
    trust = ssl.create_default_context(cadata=authority.decode())
    try:
        return dict(httpx.get(f"{server.url}/status", verify=trust, timeout=30).json())
    except httpx.TransportError:
        return None


def api_pid(server: servers.Server, authority: bytes) -> int:
    """Return the process that serves HTTP, or 0."""
    rows = (status(server, authority) or {"processes": []})["processes"]
    return next((int(row["pid"]) for row in rows if row["role"] == "api"), 0)


def test_no_api_process_is_missed_while_the_certificate_is_spoilt(
    tmp_path: Path, sample: bytes
) -> None:
    issued = certificates.issue(tmp_path)
    authority = issued.authority.read_bytes()
    trust = ssl.create_default_context(cadata=authority.decode())
    with serving(issued) as server:
        old = api_pid(server, authority)
        issued.certificate.write_text("nothing")
        os.kill(old, signal.SIGKILL)
        wait.wait_until(
            lambda: api_pid(server, authority) not in {0, old}, "another is there", 60.0
        )
        url, content = f"{server.url}/infer/object_detection", load.body(sample)
        assert httpx.post(url, json=content, verify=trust, timeout=60).status_code == 200
        assert server.log.count("the certificate from before is used") == 1
        assert "Traceback" not in server.log

        renewed = certificates.issue(tmp_path).authority.read_bytes()
        wait.wait_until(lambda: status(server, renewed) is not None, "the new one is shown", 60.0)


def test_a_certificate_that_is_none_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    with servers.starting("--tls-cert", str(tmp_path / "cert.pem")) as server:
        assert server.process.wait(30) != 0
        assert "--tls-cert: there is no certificate" in server.log
        assert "Traceback" not in server.log
