"""Which embedded broker a command finds: sockets in run directories, of this user only."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from parallax.broker import server_config
from parallax.contract import errors
from parallax.supervisor import embedded, rundir


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="px", dir="/tmp") as name:  # short, for sockets
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


@pytest.fixture
def open_until_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def run_directory(parent: Path, name: str, stack: ExitStack | None = None) -> Path:
    """Make a run directory, with a broker that answers if there is a stack to close it."""
    path = parent / f"{rundir.PREFIX}{name}"
    path.mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path / server_config.SOCKET_NAME))
    if stack is None:
        listening.close()
    else:
        listening.listen()
        stack.enter_context(listening)
    return path


def test_the_one_that_runs_is_found(temporary: Path, open_until_the_end: ExitStack) -> None:
    run_directory(temporary, "dead")
    (temporary / f"{rundir.PREFIX}starting").mkdir()
    (temporary / f"{rundir.PREFIX}file").touch()
    living = run_directory(temporary, "living", open_until_the_end)
    assert embedded.running() == [living]
    assert embedded.choose(None, None) == f"unix://{living}/broker.sock"


def test_its_password_is_read(temporary: Path, open_until_the_end: ExitStack) -> None:
    living = run_directory(temporary, "living", open_until_the_end)
    (living / server_config.PASSWORD_NAME).write_text("pa:ss")
    assert embedded.url(living) == f"unix://:pa%3Ass@{living}/broker.sock"


def test_none_says_how_to_name_one(temporary: Path) -> None:
    with pytest.raises(errors.StartupError, match="--redis-url"):
        embedded.choose(None, None)


def test_several_are_named(temporary: Path, open_until_the_end: ExitStack) -> None:
    made = [run_directory(temporary, name, open_until_the_end) for name in ("a", "b")]
    with pytest.raises(errors.StartupError, match="--run") as told:
        embedded.choose(None, None)
    assert all(str(path) in told.value.message for path in made)
    assert str(made[1]) in embedded.choose(None, made[1])


def test_an_external_broker_wins_over_what_runs_and_a_directory_over_both(
    temporary: Path, open_until_the_end: ExitStack
) -> None:
    living = run_directory(temporary, "living", open_until_the_end)
    assert embedded.choose("redis://there", None) == "redis://there"
    assert embedded.choose("redis://there", living) == embedded.url(living)


@pytest.mark.parametrize("name", ["dead", "absent"])
def test_a_directory_without_a_broker_is_refused(temporary: Path, name: str) -> None:
    run_directory(temporary, "dead")
    with pytest.raises(errors.StartupError):
        embedded.url(temporary / f"{rundir.PREFIX}{name}")


def test_a_directory_of_another_user_is_not_looked_into(
    temporary: Path, open_until_the_end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_directory(temporary, "theirs", open_until_the_end)
    link = temporary / f"{rundir.PREFIX}link"
    link.symlink_to(temporary / f"{rundir.PREFIX}theirs")
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert embedded.running() == []
    with pytest.raises(errors.StartupError, match="of this user's"):
        embedded.url(link)
