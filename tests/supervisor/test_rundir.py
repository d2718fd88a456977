"""The private directory: made, locked, removed, and the forgotten ones of others with it."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from parallax.supervisor import rundir

OWNER = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_directory_is_private_and_gone_in_the_end(temporary: Path) -> None:
    made = rundir.RunDir()
    (made.subdirectory("metrics") / "file").write_text("x")

    assert made.path.parent == temporary
    assert made.path.stat().st_mode & 0o777 == 0o700
    made.remove()

    assert list(temporary.iterdir()) == []


def test_two_runs_have_directories_of_their_own() -> None:
    first, second = rundir.RunDir(), rundir.RunDir()

    assert first.path != second.path
    assert first.path.is_dir()
    first.remove()
    assert second.path.is_dir()
    second.remove()


def test_what_a_dead_run_left_is_removed(temporary: Path) -> None:
    stale = temporary / f"{rundir.PREFIX}old"
    (stale / "metrics").mkdir(parents=True)

    rundir.RunDir().remove()

    assert not stale.exists()


def test_what_a_living_run_uses_is_kept(temporary: Path) -> None:
    theirs = temporary / f"{rundir.PREFIX}theirs"
    theirs.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(theirs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"

        rundir.RunDir().remove()
        assert theirs.is_dir()
        owner.communicate()

    rundir.RunDir().remove()
    assert not theirs.exists()


def test_other_things_are_left_alone(temporary: Path) -> None:
    (temporary / "parallax").mkdir()
    (temporary / f"{rundir.PREFIX}file").touch()

    rundir.RunDir().remove()

    assert sorted(each.name for each in temporary.iterdir()) == [
        "parallax",
        f"{rundir.PREFIX}file",
    ]
