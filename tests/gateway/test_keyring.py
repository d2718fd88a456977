"""Which keys are let in, and what a change of their file does while the server runs."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from parallax.gateway import keyring
from parallax.settings import concerns, key_file
from tests.gateway import support

ONE = "[[key]]\nname = 'a'\nkey = 'alpha'\nmax_concurrent = 4\n"
TWO = "[[key]]\nname = 'b'\nkey = 'beta'\n"


class File:
    """A file of keys that is replaced as an operator would."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.toml"
        self.put(ONE + TWO)

    def put(self, text: str) -> None:
        """Replace the file."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self.path)

    def ring(self, *keys: str) -> keyring.Keyring:
        """Return a new keyring of this file."""
        return keyring.Keyring(concerns.HttpSettings(api_keys=keys, api_keys_file=str(self.path)))


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A file of two keys, alpha and beta."""
    return File(tmp_path)


def name(ring: keyring.Keyring, key: str) -> str | None:
    holder = ring.find(key)
    return None if holder is None else holder.caller.name


def test_keys_are_known_by_name(file: File) -> None:
    ring = file.ring("gamma")

    assert [name(ring, key) for key in ("alpha", "beta", "gamma")] == ["a", "b", "key-1"]


@pytest.mark.parametrize("key", ["", "alph", "alphaa", "Alpha", "a", "\udcff", "alpha\0"])
def test_what_is_no_key_is_nobodys(file: File, key: str) -> None:
    assert file.ring().find(key) is None


def test_a_digest_is_not_its_key(file: File) -> None:
    ring = file.ring()
    holder = ring.find("alpha")
    assert holder is not None

    assert ring.find(holder.digest.hex()) is None


def test_a_key_that_is_taken_out_opens_nothing_more(file: File) -> None:
    ring = file.ring("gamma")

    file.put(TWO)
    ring.refresh()

    assert [name(ring, key) for key in ("alpha", "beta", "gamma")] == [None, "b", "key-1"]


def test_a_key_may_be_exchanged_under_its_name(
    file: File, caplog: pytest.LogCaptureFixture
) -> None:
    ring = file.ring()

    with caplog.at_level(logging.INFO):
        file.put(ONE.replace("alpha", "omega") + TWO)
        ring.refresh()

    assert [name(ring, key) for key in ("alpha", "omega")] == [None, "a"]
    assert caplog.messages == ["2 keys; new: a; gone: a"]


@pytest.mark.parametrize(
    "after", [ONE.replace("4", "5"), ONE + "models = ['demo']", ONE.replace("'a'", "'z'")]
)
def test_what_changed_of_a_key_is_told(
    file: File, caplog: pytest.LogCaptureFixture, after: str
) -> None:
    file.put(ONE)
    ring = file.ring()

    with caplog.at_level(logging.INFO):
        file.put(after)
        ring.refresh()

    holder = ring.find("alpha")
    assert holder is not None
    assert caplog.messages == [f"1 key; changed: {holder.caller.name}"]


@pytest.mark.parametrize("text", ["", "[[key", "[[key]]\nname = 'b'\nkey = 'hush-hush'\nx = 1"])
def test_a_broken_file_changes_nothing_and_says_so_once(
    file: File, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    ring = file.ring()

    file.put(text)
    ring.refresh()
    ring.refresh()

    assert [name(ring, key) for key in ("alpha", "beta")] == ["a", "b"]
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "keys stay as they were (2)" in told.message
    assert str(file.path) in told.message
    assert "hush" not in caplog.text


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(file: File) -> None:
    ring = file.ring()

    file.path.unlink()
    ring.refresh()
    assert name(ring, "alpha") == "a"

    file.put(TWO)
    ring.refresh()
    assert name(ring, "alpha") is None


def test_a_process_that_starts_while_the_file_is_broken_lets_in_nobody_until_it_is_mended(
    file: File, caplog: pytest.LogCaptureFixture
) -> None:
    file.put("[[key")
    ring = file.ring("gamma")
    assert [name(ring, key) for key in ("alpha", "gamma")] == [None, None]
    assert "nobody let in, the new file is not usable" in caplog.text

    file.put(ONE)
    ring.refresh()
    assert [name(ring, key) for key in ("alpha", "gamma")] == ["a", "key-1"]


def test_a_process_that_starts_while_the_file_is_broken_lets_in_who_was_before(
    file: File, caplog: pytest.LogCaptureFixture
) -> None:
    http = concerns.HttpSettings(api_keys_file=str(file.path))
    before = key_file.collect(http)
    file.put("[[key")

    ring = keyring.Keyring(http, before)

    assert [name(ring, key) for key in ("alpha", "beta", "gamma")] == ["a", "b", None]
    assert "keys stay as they were (2)" in caplog.text
    file.put(TWO)
    ring.refresh()
    assert [name(ring, key) for key in ("alpha", "beta")] == [None, "b"]


def test_what_was_before_does_not_count_where_the_file_can_be_used(file: File) -> None:
    http = concerns.HttpSettings(api_keys_file=str(file.path))
    before = key_file.collect(http)
    file.put(TWO)

    assert keyring.Keyring(http, before).find("alpha") is None


def test_what_is_in_flight_counts_on_when_the_file_changes(file: File) -> None:
    ring = file.ring()
    before = ring.find("alpha")

    file.put(ONE)
    ring.refresh()

    after = ring.find("alpha")
    assert before is not None
    assert after is not None
    assert after.gate is before.gate is not None


def test_a_new_limit_holds_at_once(file: File) -> None:
    ring = file.ring()

    file.put(ONE.replace("4", "2"))
    ring.refresh()

    holder = ring.find("alpha")
    assert holder is not None
    assert holder.gate is not None
    assert (holder.caller.most, holder.gate.limit) == (2, 2)


async def test_the_file_is_watched(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "INTERVAL", 0.01)
    ring = file.ring()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(ring.watch(), name="watch")
        file.put(TWO)
        await support.wait_until(lambda: ring.find("alpha") is None, "alpha is nobody")
        watching.cancel()


async def test_without_a_file_there_is_nothing_to_watch() -> None:
    await support.within(5, keyring.Keyring(concerns.HttpSettings()).watch())
