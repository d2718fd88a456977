"""Certificates are checked, and nothing of a connection outlives its fetch."""

import asyncio
import select
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from parallax.gateway.remote import policy
from tests.gateway.remote import servers

HTTPS = policy.Policy(any_port=True, reachable=servers.open_to_here)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate of the test's host, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    names = ["-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{servers.HOST}"]
    files = ["-out", str(made), "-keyout", str(key)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return made, key


@pytest.fixture(scope="module")
def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture(scope="module")
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[0])


async def test_a_certificate_that_nobody_trusts_is_refused(server_side: ssl.SSLContext) -> None:
    async with servers.running(servers.reply(), tls=server_side) as site:
        cause = await servers.refusal(servers.fetcher(HTTPS), site.url(scheme="https"))
    assert f"certificate of {servers.HOST} is not valid" in cause
    assert site.heads == []


async def test_a_certificate_of_another_host_is_refused(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    one = servers.fetcher(HTTPS, servers.Names(other=[[servers.HERE]]), trusting)
    async with servers.running(servers.reply(), tls=server_side) as site:
        cause = await servers.refusal(one, site.url(host="other.example.com", scheme="https"))
    assert "certificate of other.example.com is not valid" in cause


async def test_a_trusted_certificate_is_accepted(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with servers.running(servers.reply(), tls=server_side) as site:
        one = servers.fetcher(HTTPS, tls=trusting)
        assert await servers.get(one, site.url(scheme="https")) == servers.PICTURE


async def test_a_redirect_from_https_to_http_is_refused(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with servers.running(servers.reply()) as plain:
        lure = servers.redirect(plain.url())
        async with servers.running(lure, tls=server_side) as site:
            one = servers.fetcher(HTTPS, tls=trusting)
            assert "non https:// URL" in await servers.refusal(one, site.url(scheme="https"))
    assert plain.heads == []


async def test_a_server_without_tls_is_refused() -> None:
    async with servers.running(servers.reply()) as site:
        cause = await servers.refusal(servers.fetcher(HTTPS, seconds=0.2), site.url(scheme="https"))
    assert servers.HOST in cause


async def test_a_peer_that_ignores_the_end_of_tls_is_left_at_once(
    server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    left = threading.Event()

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as plain, server_side.wrap_socket(plain, server_side=True) as tls:
            tls.recv(10_000)
            tls.sendall(servers.reply())
            poll = select.poll()
            poll.register(tls, select.POLLRDHUP)  # the end of the connection, not of TLS
            if poll.poll(5000):
                left.set()

    with socket.create_server((servers.HERE, 0)) as listener:
        url = f"https://{servers.HOST}:{listener.getsockname()[1]}/"
        serving = asyncio.get_running_loop().run_in_executor(None, serve, listener)
        assert await servers.get(servers.fetcher(HTTPS, tls=trusting), url) == servers.PICTURE
        await serving
    assert left.is_set()
