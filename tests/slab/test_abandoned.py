"""What counts as left behind: only what this user's servers can have made, and nobody holds."""

import fcntl
import os
from pathlib import Path

import pytest

from parallax.contract import errors
from parallax.slab import abandoned


def found(directory: Path) -> set[str]:
    return {path.name for path in abandoned.find(directory, "px-")}


def test_files_and_folders_that_nobody_holds_are_found(tmp_path: Path) -> None:
    (tmp_path / "px-file").touch()
    (tmp_path / "px-folder").mkdir()
    (tmp_path / "other").touch()

    assert found(tmp_path) == {"px-file", "px-folder"}


def test_what_is_locked_is_not_found(tmp_path: Path) -> None:
    with (tmp_path / "px-held").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert found(tmp_path) == set()


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "px-pipe")

    assert found(tmp_path) == set()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "px-link").symlink_to(tmp_path / "precious")

    assert found(tmp_path) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "px-theirs"
    theirs.touch()
    os.chown(theirs, 12345, 12345)

    assert found(tmp_path) == set()


def test_what_another_start_takes_for_forgotten_is_made_anew(tmp_path: Path) -> None:
    made: list[Path] = []

    def make() -> tuple[int, Path]:
        path = tmp_path / f"mine-{len(made)}"
        path.mkdir()
        made.append(path)
        handle = os.open(path, os.O_RDONLY)
        if len(made) == 1:
            path.rmdir()
        if len(made) == 2:
            path.rmdir()
            os.close(handle)
            raise FileNotFoundError
        return handle, path

    handle, path = abandoned.claim(make)

    assert path == made[2]
    assert not list(abandoned.find(tmp_path, "mine-"))
    os.close(handle)


def test_who_is_robbed_again_and_again_says_so(tmp_path: Path) -> None:
    def make() -> tuple[int, Path]:
        (tmp_path / "mine").mkdir()
        handle = os.open(tmp_path / "mine", os.O_RDONLY)
        (tmp_path / "mine").rmdir()
        return handle, tmp_path / "mine"

    with pytest.raises(errors.StartupError, match="other starts"):
        abandoned.claim(make)


def test_what_cannot_be_made_at_all_is_an_error_of_the_system(tmp_path: Path) -> None:
    def make() -> tuple[int, Path]:
        return os.open(tmp_path / "none", os.O_RDONLY), tmp_path

    with pytest.raises(FileNotFoundError):
        abandoned.claim(make)
