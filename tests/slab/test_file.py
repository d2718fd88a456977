"""The slab's file: sized at once, locked, and tidied up after the dead."""

import subprocess
import sys
from pathlib import Path

import pytest

from parallax.contract import errors
from parallax.slab import file as files
from parallax.slab import layout as layouts
from parallax.slab import slab as slabs

SMALL = layouts.SlabLayout((layouts.ArenaLayout(2, 4096),), 1)
HUGE = layouts.SlabLayout((layouts.ArenaLayout(1 << 10, 1 << 32),), 1)
ROUNDING = 16384
"""Bytes by which a file system's own book-keeping may differ."""
OWNER = """
import fcntl, sys
held = open(sys.argv[1], "r+b")
fcntl.flock(held, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def taken(made: files.SlabFile) -> int:
    """Return the bytes that the file takes."""
    return Path(made.path).stat().st_blocks * 512


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.glob(f"{files.PREFIX}*"))


def test_the_file_has_all_its_pages_and_is_private(tmp_path: Path) -> None:
    made = files.SlabFile(str(tmp_path), SMALL)
    status = Path(made.path).stat()

    assert status.st_size == SMALL.size
    assert status.st_blocks * 512 >= SMALL.size, "pages are allocated later, in mid-request"
    assert status.st_mode & 0o777 == 0o600
    made.unlink()
    assert names(tmp_path) == []


def test_what_nobody_needs_yet_takes_no_memory(tmp_path: Path) -> None:
    layout = layouts.SlabLayout((layouts.ArenaLayout(4, 1 << 20),) * 2, 1)
    made = files.SlabFile(str(tmp_path), layout, (4096, 0))

    assert Path(made.path).stat().st_size == layout.size
    assert taken(made) == pytest.approx(layout.data_offset(0) + 4 * 4096, abs=ROUNDING)
    made.unlink()


def test_more_of_each_slot_can_be_reserved_later(tmp_path: Path) -> None:
    layout = layouts.SlabLayout((layouts.ArenaLayout(4, 1 << 20),), 1)
    made = files.SlabFile(str(tmp_path), layout, (4096,))

    assert made.reserve((8192,))
    assert made.reserve((4096,)), "less is no change"

    assert taken(made) == pytest.approx(layout.data_offset(0) + 4 * 8192, abs=ROUNDING)
    made.unlink()


def test_what_does_not_fit_is_not_reserved(tmp_path: Path) -> None:
    made = files.SlabFile(str(tmp_path), HUGE, (4096,))

    assert not made.reserve((1 << 32,))

    expected = HUGE.data_offset(0) + HUGE.arenas[0].slots * 4096
    assert taken(made) == pytest.approx(expected, rel=0.1)
    made.unlink()


def test_a_directory_that_is_too_small_is_refused_with_both_sizes(tmp_path: Path) -> None:
    with pytest.raises(errors.StartupError, match=r"needs 41943\d+ MiB and \d+ MiB are free"):
        files.SlabFile(str(tmp_path), HUGE)

    assert names(tmp_path) == []


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.StartupError, match="nowhere"):
        files.SlabFile(str(tmp_path / "nowhere"), SMALL)


def test_the_file_of_a_dead_owner_is_removed(tmp_path: Path) -> None:
    stale = tmp_path / f"{files.PREFIX}1"
    stale.write_bytes(b"x")

    made = files.SlabFile(str(tmp_path), SMALL)

    assert names(tmp_path) == [Path(made.path).name]
    made.unlink()


def test_the_file_of_a_living_owner_is_kept(tmp_path: Path) -> None:
    theirs = tmp_path / f"{files.PREFIX}1"
    theirs.write_bytes(b"precious")
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(theirs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"

        files.remove_stale(str(tmp_path))
        assert theirs.read_bytes() == b"precious"
        owner.communicate()

    files.remove_stale(str(tmp_path))
    assert not theirs.exists()


def test_two_owners_with_one_process_id_do_not_share_a_file(tmp_path: Path) -> None:
    # Two containers that share /dev/shm may both be process 7.
    first = files.SlabFile(str(tmp_path), SMALL)
    Path(first.path).write_bytes(b"first")

    second = files.SlabFile(str(tmp_path), SMALL)

    assert Path(first.path).read_bytes() == b"first"
    assert first.path != second.path
    for each in (first, second):
        each.unlink()


def test_strangers_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "something").write_bytes(b"else")

    files.remove_stale(str(tmp_path))

    assert (tmp_path / "something").exists()


def test_a_living_mapping_survives_the_unlink(tmp_path: Path) -> None:
    made = files.SlabFile(str(tmp_path), SMALL)
    slab = slabs.Slab(made.path, SMALL)
    made.unlink()

    assert slab.arena(0).allocate("1-0") is not None
