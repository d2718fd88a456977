"""Certificates are checked, and nothing of a connection outlives its fetch."""

import asyncio
import select
import socket
import ssl
import threading

import pytest

from parallax.gateway.remote import policy
from tests.gateway.remote import servers
from tests.support import certificates, tls_proxy

HTTPS = policy.Policy(any_port=True, reachable=servers.open_to_here)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Issued:
    """A certificate of the test's host."""
    return certificates.issue(tmp_path_factory.mktemp("tls"), servers.HOST)


@pytest.fixture(scope="module")
def server_side(certificate: certificates.Issued) -> ssl.SSLContext:
    return tls_proxy.server_side(certificate)


@pytest.fixture(scope="module")
def trusting(certificate: certificates.Issued) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.authority)


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
