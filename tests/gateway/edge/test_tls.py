"""Certificates: which files are refused and how that is said, and what a client agrees on."""

import asyncio
import logging
import os
import resource
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from parallax.contract import errors
from parallax.gateway import serve
from parallax.gateway.edge import shared, tls
from parallax.settings import concerns
from tests.gateway import support
from tests.gateway.edge import serving
from tests.support import certificates

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def issued(tmp_path: Path) -> certificates.Issued:
    """A certificate for 127.0.0.1."""
    return certificates.issue(tmp_path)


def options(issued: certificates.Issued) -> shared.Options:
    """Return options with which a server uses it."""
    given = tls.Files(str(issued.certificate), str(issued.key))
    return shared.Options(tls=tls.Certificates(given).current)


async def connect(
    server: serving.Server, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open an encrypted connection."""
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=context)


async def test_a_request_over_tls(issued: certificates.Issued) -> None:
    trust = ssl.create_default_context(cafile=issued.authority)
    trust.set_alpn_protocols(["h2", "http/1.1"])
    async with serving.serving(options=options(issued)) as server:
        reader, writer = await connect(server, trust)
        statuses = []
        for _ in range(3):
            writer.write(GET)
            statuses.append((await serving.answer_of(reader))[0])
        agreed = writer.get_extra_info("ssl_object")
        writer.close()

    assert statuses == [200] * 3
    assert agreed.selected_alpn_protocol() == "http/1.1"
    assert agreed.version() in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_older_versions_are_refused(issued: certificates.Issued) -> None:
    old = ssl.create_default_context(cafile=issued.authority)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with serving.serving(options=options(issued)) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(server, old)


async def test_what_is_not_tls_is_dropped_and_others_are_served(
    issued: certificates.Issued, caplog: pytest.LogCaptureFixture
) -> None:
    trust = ssl.create_default_context(cafile=issued.authority)
    async with serving.serving(options=options(issued)) as server:
        said = await server.say(GET)
        reader, writer = await connect(server, trust)
        writer.write(GET)
        status, _, _ = await serving.answer_of(reader)
        writer.close()

    assert b"HTTP" not in said
    assert status == 200
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_a_new_certificate_is_used_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "LOOK_EVERY", 0.0)
    first = certificates.issue(tmp_path)
    trust = ssl.create_default_context(cafile=first.authority)
    async with serving.serving(options=options(first)) as server:
        reader, writer = await connect(server, trust)
        second = certificates.issue(tmp_path)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(server, trust)
        _, newer = await connect(server, ssl.create_default_context(cafile=second.authority))
        newer.close()
        writer.write(GET)
        status, _, _ = await serving.answer_of(reader)
        writer.close()

    assert status == 200


def test_a_certificate_that_cannot_be_used_does_not_replace_the_old_one(
    issued: certificates.Issued, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    held = tls.Certificates(tls.Files(str(issued.certificate), str(issued.key)), lambda: now)
    before = held.current()
    issued.certificate.write_text("half a file")
    now = 10.0

    assert held.current() is before
    assert "kept" in caplog.text


def spoil_certificate(issued: certificates.Issued) -> None:
    issued.certificate.write_text("nothing")


def renew_half(issued: certificates.Issued) -> None:
    """Leave what an ordinary renewal does for some seconds: the key follows the certificate."""
    key = issued.key.read_bytes()
    certificates.issue(issued.key.parent)
    issued.key.write_bytes(key)


def remove_key(issued: certificates.Issued) -> None:
    issued.key.unlink()


@pytest.mark.parametrize("spoil", [spoil_certificate, renew_half, remove_key])
async def test_a_process_that_starts_beside_unusable_files_uses_the_certificate_from_before(
    issued: certificates.Issued,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[certificates.Issued], None],
) -> None:
    monkeypatch.setattr(tls, "LOOK_EVERY", 0.0)
    trust = ssl.create_default_context(cafile=issued.authority)
    http = concerns.HttpSettings(tls_cert=str(issued.certificate), tls_key=str(issued.key))
    before = tls.usable(http)
    spoil(issued)
    started = serve.options(http, spare=before)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    async with serving.serving(options=started) as server:
        _, writer = await connect(server, trust)
        writer.close()
        newer = certificates.issue(issued.key.parent)
        _, writer = await connect(server, ssl.create_default_context(cafile=newer.authority))
        writer.close()


def test_without_a_certificate_from_before_unusable_files_are_an_error(
    issued: certificates.Issued,
) -> None:
    issued.certificate.write_text("nothing")

    with pytest.raises(errors.SettingsError, match="there is no certificate"):
        serve.options(concerns.HttpSettings(tls_cert=str(issued.certificate)))


def test_what_files_held_does_not_show(issued: certificates.Issued) -> None:
    found = tls.read(tls.Files(str(issued.certificate), str(issued.key)))

    assert b"PRIVATE KEY" in found.key
    assert "PRIVATE KEY" not in repr(found)


@pytest.mark.timeout(30)
def test_neither_a_pipe_nor_what_has_no_end_is_read(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    large.write_bytes(b"x" * (tls.LARGEST + 1))

    with pytest.raises(errors.SettingsError, match="it is no file"):
        tls.read(tls.Files(str(pipe)))
    with pytest.raises(errors.SettingsError, match="more than"):
        tls.read(tls.Files(str(large)))


def test_what_cannot_be_loaded_for_want_of_descriptors_is_told(
    issued: certificates.Issued,
) -> None:
    found = tls.read(tls.Files(str(issued.certificate), str(issued.key)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(errors.SettingsError, match="Too many open files"):
            tls.context(found)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_silent_handshake_ends(
    issued: certificates.Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parallax.gateway.edge.server.HANDSHAKE", 0.1)
    async with serving.serving(options=options(issued)) as server:
        reader, writer = await server.connect()
        assert await support.within(10, reader.read()) == b""
        writer.close()


def test_the_key_may_be_in_the_same_file(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("localhost")
    both = tmp_path / "both.pem"
    both.write_bytes(made.private_key_and_cert_chain_pem.bytes())

    assert tls.load(tls.Files(str(both))).minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(
    issued: certificates.Issued,
) -> None:
    key = serialization.load_pem_private_key(issued.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    issued.key.write_bytes(locked)

    with pytest.raises(errors.SettingsError, match=r"^--tls-key: .* it is encrypted"):
        tls.load(tls.Files(str(issued.certificate), str(issued.key)))


@pytest.mark.parametrize(
    ("changed", "content", "said"),
    [
        ("certificate", None, "--tls-cert: .*cannot be read: No such file"),
        ("key", None, "--tls-key: .*cannot be read: No such file"),
        ("certificate", "nothing", "--tls-cert: there is no certificate"),
        ("key", "nothing", "--tls-key: there is no key"),
        ("key", "other", "--tls-key: the key in .* is not that of the certificate"),
    ],
)
def test_wrong_files_are_named(
    issued: certificates.Issued, changed: str, content: str | None, said: str
) -> None:
    path: Path = getattr(issued, changed)
    if content is None:
        path.unlink()
    elif content == "other":
        trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(path)
    else:
        path.write_text(content)

    settings = concerns.HttpSettings(tls_cert=str(issued.certificate), tls_key=str(issued.key))
    with pytest.raises(errors.SettingsError, match=said):
        tls.usable(settings)


def test_a_key_without_a_certificate_is_a_mistake() -> None:
    with pytest.raises(errors.SettingsError, match=r"^--tls-key: .*--tls-cert"):
        tls.usable(concerns.HttpSettings(tls_key="x"))


def test_no_certificate_means_no_encryption() -> None:
    assert tls.files(concerns.HttpSettings()) is None
