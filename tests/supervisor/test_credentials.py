"""What an api process is handed: the newest certificate and keys that could be used."""

import asyncio
from pathlib import Path

import pytest

from parallax.contract import errors
from parallax.settings import concerns
from parallax.supervisor import credentials
from tests.support import certificates, wait

ONE = "[[key]]\nname = 'a'\nkey = 'alpha'\n"


@pytest.fixture
def http(tmp_path: Path) -> concerns.HttpSettings:
    """Settings that name a certificate and a file of keys."""
    issued = certificates.issue(tmp_path)
    (tmp_path / "keys.toml").write_text(ONE)
    return concerns.HttpSettings(
        tls_cert=str(issued.certificate),
        tls_key=str(issued.key),
        api_keys_file=str(tmp_path / "keys.toml"),
    )


def test_files_that_become_unusable_change_nothing(
    http: concerns.HttpSettings, tmp_path: Path
) -> None:
    held = credentials.Credentials(http)
    before = (held.certificate, held.keys)

    (tmp_path / "cert.pem").write_text("nothing")
    (tmp_path / "keys.toml").write_text("[[key")
    held.refresh()

    assert (held.certificate, held.keys) == before
    assert [key.name for key in held.keys] == ["a"]


def test_usable_files_are_taken_each_for_itself(
    http: concerns.HttpSettings, tmp_path: Path
) -> None:
    held = credentials.Credentials(http)

    certificates.issue(tmp_path)
    (tmp_path / "keys.toml").write_text("[[key")
    held.refresh()
    assert held.certificate is not None
    assert held.certificate.key == (tmp_path / "key.pem").read_bytes()

    (tmp_path / "cert.pem").unlink()
    (tmp_path / "keys.toml").write_text(ONE.replace("'a'", "'longer'"))
    held.refresh()
    assert [key.name for key in held.keys] == ["longer"]


@pytest.mark.parametrize("file", ["cert.pem", "key.pem", "keys.toml"])
def test_unusable_files_are_an_error_at_the_start(
    http: concerns.HttpSettings, tmp_path: Path, file: str
) -> None:
    (tmp_path / file).write_text("nothing")

    with pytest.raises(errors.SettingsError):
        credentials.Credentials(http)


async def test_the_files_are_followed(
    http: concerns.HttpSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "INTERVAL", 0.01)
    held = credentials.Credentials(http)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(held.watch(), name="watch")
        (tmp_path / "keys.toml").write_text(ONE.replace("'a'", "'longer'"))
        await asyncio.to_thread(
            wait.wait_until, lambda: held.keys[0].name == "longer", "it is read"
        )
        watching.cancel()


async def test_without_files_there_is_nothing_to_follow() -> None:
    held = credentials.Credentials(concerns.HttpSettings())
    await asyncio.wait_for(held.watch(), 5)

    assert (held.certificate, held.keys) == (None, ())
