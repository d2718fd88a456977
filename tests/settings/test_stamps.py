"""What shows that a file was changed."""

import os
from pathlib import Path

import pytest

from parallax.settings import stamps


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file."""
    found = tmp_path / "file"
    found.write_text("one")
    return found


def test_a_file_that_is_left_alone_looks_the_same(path: Path) -> None:
    assert stamps.of(str(path)) == stamps.of(str(path))


def test_a_file_that_was_replaced_looks_different(path: Path) -> None:
    before = stamps.of(str(path))
    fresh = path.with_suffix(".new")
    fresh.write_text("two")
    os.replace(fresh, path)

    assert stamps.of(str(path)) != before


def test_what_is_not_there_or_not_named_has_a_place_of_its_own(path: Path) -> None:
    absent = str(path.with_name("absent"))

    assert stamps.of(absent, "\0", None) == (None, None, None)
    assert stamps.of(None, str(path)) != stamps.of(str(path), None)
