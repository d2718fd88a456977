"""A broker behind TLS: who answers is checked, who asks may be, and nothing is guessed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from parallax.broker import base, client, server
from parallax.contract import errors
from tests.broker import worlds
from tests.support import certificates, tls_proxy, valkey

pytestmark = pytest.mark.redis

SUBMIT = base.Submit(address=base.Address("r1", 0, "api1"), work=b"w", bulk=b"b" * 300_000)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Issued:
    """The broker's."""
    return certificates.issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> certificates.Issued:
    """Another authority's."""
    return certificates.issue(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def socket() -> Iterator[str]:
    """A broker without TLS."""
    with valkey.short_directory() as directory, valkey.running(directory) as url:
        yield url.removeprefix("unix://")


@pytest.fixture(scope="module")
def secure(certificate: certificates.Issued, socket: str) -> Iterator[str]:
    """The URL of the same broker behind TLS, without a word on whom to trust."""
    with tls_proxy.running(tls_proxy.server_side(certificate), socket) as port:
        yield f"rediss://127.0.0.1:{port}/0"


async def refusal(url: str) -> str:
    with pytest.raises(errors.StartupError) as caught:
        await server.check_external(url)
    return caught.value.message


async def test_it_is_used_by_both_kinds_of_clients(
    secure: str, certificate: certificates.Issued
) -> None:
    url = f"{secure}?ssl_ca_certs={certificate.authority}"
    assert await server.check_external(url) == []
    one = client.connect_async(url, worlds.KEYS)
    assert await one.execute(SUBMIT)
    await one.aclose()
    other = client.connect_blocking(url, worlds.KEYS)
    assert other.execute(SUBMIT)
    other.close()


async def test_a_certificate_of_a_strange_authority_is_refused(
    secure: str, stranger: certificates.Issued
) -> None:
    for url in (secure, f"{secure}?ssl_ca_certs={stranger.authority}"):
        assert "certificate verify failed" in await refusal(url)


async def test_a_certificate_of_another_host_is_refused(socket: str, tmp_path: Path) -> None:
    other = certificates.issue(tmp_path, "elsewhere.example.com")
    with tls_proxy.running(tls_proxy.server_side(other), socket) as port:
        cause = await refusal(f"rediss://127.0.0.1:{port}?ssl_ca_certs={other.authority}")
    assert "certificate verify failed" in cause


async def test_a_client_certificate_is_sent_where_one_is_wanted(
    socket: str, certificate: certificates.Issued, stranger: certificates.Issued
) -> None:
    with tls_proxy.running(tls_proxy.server_side(certificate, client=stranger), socket) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate.authority}"
        own = f"&ssl_certfile={stranger.certificate}&ssl_keyfile={stranger.key}"
        assert await server.check_external(url + own) == []
        assert url.partition("?")[0] in await refusal(url)


async def test_a_broker_without_tls_is_not_spoken_to_in_the_clear(tmp_path: Path) -> None:
    port = valkey.free_port()
    with valkey.short_directory() as directory, valkey.running(directory, port):
        assert f"rediss://127.0.0.1:{port}" in await refusal(f"rediss://127.0.0.1:{port}")


async def test_trusting_anybody_is_warned_of(secure: str) -> None:
    (doubt,) = await server.check_external(f"{secure}?ssl_cert_reqs=none&ssl_check_hostname=false")
    assert "ssl_cert_reqs" in doubt


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("foo=1", "'foo'"),
        ("socket_timeout=abc", "'socket_timeout'"),
        ("ssl_cert_reqs=bogus", "bogus"),
        ("ssl_ca_certs=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("ssl_certfile=/nowhere/one.pem&ssl_keyfile=/nowhere/key.pem", "/nowhere/one.pem"),
    ],
)
async def test_an_option_that_makes_no_sense_is_named(query: str, told: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        await server.check_external(f"rediss://:secret@127.0.0.1:1?{query}")
    assert told in caught.value.message
    assert "secret" not in caught.value.message
