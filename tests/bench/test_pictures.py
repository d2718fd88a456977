"""Pictures of a folder, and files that are none."""

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from parallax.bench import failures, pictures


def write(path: Path, size: tuple[int, int]) -> Path:
    Image.new("RGB", size).save(path)
    return path


def test_a_folder_gives_its_pictures_by_name_with_their_sizes(tmp_path: Path) -> None:
    write(tmp_path / "b.jpg", (64, 48))
    write(tmp_path / "a.png", (32, 16))
    (tmp_path / "notes.txt").write_text("none")
    found = pictures.load(tmp_path)
    assert [size for _, size in found] == [(32, 16), (64, 48)]
    described = pictures.describe(found)
    assert (described.count, described.sizes) == (2, ["32x16", "64x48"])
    assert described.mean_bytes == sum(len(data) for data, _ in found) / 2


def test_a_size_is_what_a_person_sees() -> None:
    stream, image = io.BytesIO(), Image.new("RGB", (64, 48))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(stream, "JPEG", exif=exif)
    assert pictures.size_of(stream.getvalue(), "x") == (48, 64)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(failures.BenchError, match="has no picture"):
        pictures.load(tmp_path)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no")
    with pytest.raises(failures.BenchError, match=r"broken\.jpg"):
        pictures.load(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("/proc/self/mem")  # nobody can read its beginning
    with pytest.raises(failures.BenchError, match=r"--images: .*error"):
        pictures.load(tmp_path)
