"""What may stand in the TOML file, and what is said of anything else."""

from pathlib import Path

import pytest

from parallax.contract import errors
from parallax.settings import file


def problems(path: Path, text: str) -> list[str]:
    path.write_text(text)
    return [line.removeprefix(f"{path}: ") for line in file.problems_in(file.read(path), path)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[http]\nprot = 1", "[http] prot is not an option; did you mean port?"),
        ("[slab]\nshm-dir = 1", "[slab] shm-dir is not an option; did you mean shm_dir?"),
        ("[http]\ntimeout = 1", "[http] timeout is not an option; did you mean [limits] timeout?"),
        ("[http]\nxyzzy = 1", "[http] xyzzy is not an option"),
        ("[htpp]\nport = 1", "[htpp] is not a section; did you mean [http]?"),
        ("port = 1", "port stands outside of any section; did you mean [http] port?"),
        ("http = 1", "http is a section: write [http] and its keys below it"),
    ],
)  # fmt: skip
def test_unknown_names(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path / "a.toml", text) == [expected]


def test_unlikely_section_lists_all(tmp_path: Path) -> None:
    (line,) = problems(tmp_path / "a.toml", "[qqq]\n")
    assert line.startswith("[qqq] is not a section; there are [http], [limits],")


def test_known_names_pass(tmp_path: Path) -> None:
    assert problems(tmp_path / "a.toml", "[http]\nport = 1\n[models]\nmodels = ['a']") == []


@pytest.mark.parametrize(
    "content",
    [b"[http", b"\xff\xfe", b"a = 1\na = 2", b"a = " + b"9" * 5000, b"a = " + b"[" * 9999],
)
def test_not_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(errors.SettingsError, match="is not valid TOML"):
        file.read(path)


def test_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(errors.SettingsError, match="cannot be read"):
        file.read(tmp_path)
