"""Values are put into a file of settings, and the rest of it stays."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import errors
from parallax.settings import amend, fields, load, render

VALUES = {"workers.runs": 3, "batching.max_batch": 8}
COUNTS = [key for key, field in fields.BY_KEY.items() if field.kind is fields.Kind.INTEGER]

values = st.dictionaries(st.sampled_from(COUNTS), st.integers(1, 99), min_size=1)


@given(values=values, before=values)
def test_what_is_put_in_is_read_back_and_the_rest_stays(
    values: dict[str, int], before: dict[str, int]
) -> None:
    found = tomllib.loads(amend.amended(amend.amended("", before), values))

    read = {f"{section}.{name}": v for section, keys in found.items() for name, v in keys.items()}
    assert read == before | values


def test_comments_and_other_values_stay_where_they_are() -> None:
    text = "# mine\n[workers]  # those\nruns = 1 # few\nlease = 2.0\n\n[http]\nport = 1\n"

    assert amend.amended(text, VALUES) == (
        "# mine\n[workers]  # those\nruns = 3 # few\nlease = 2.0\n\n[http]\nport = 1\n"
        "\n[batching]\nmax_batch = 8\n"
    )


def test_a_printed_configuration_can_be_amended() -> None:
    written = load.read({}, {}, None)
    text = render.to_toml(written.settings, {}, written.settings)

    assert tomllib.loads(amend.amended(text, VALUES))["workers"]["runs"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "workers = {runs = 1}\n",
        "workers.runs = 1\n",
        '[models]\nmodels = ["""\n[workers]\n"""]\n',
        "[workers]\nruns = [\n1,\n]\n",
    ],
)
def test_a_file_that_is_not_understood_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)

    with pytest.raises(errors.SettingsError, match=r"a\.toml: cannot be changed"):
        amend.write(path, VALUES)
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[http\n", "is not valid TOML"),
        (b"\xff", "is not valid TOML"),
        (b"[project]\nname = 'x'\n", "is not a section"),
    ],
)
def test_what_is_no_file_of_settings_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)

    with pytest.raises(errors.SettingsError, match=problem):
        amend.check(path)


@pytest.mark.parametrize("name", ["missing/a.toml", "."])
def test_a_place_that_takes_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"no folder|cannot be read"):
        amend.check(tmp_path / name)


def test_a_file_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    path, link = tmp_path / "a.toml", tmp_path / "link.toml"
    path.write_text("[http]\nport = 1\n")
    path.chmod(0o640)
    link.symlink_to(path)

    amend.check(link)
    amend.write(link, VALUES)

    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert tomllib.loads(path.read_text())["http"] == {"port": 1}


def test_a_new_file_can_be_read_as_settings(tmp_path: Path) -> None:
    amend.check(tmp_path / "new.toml")
    amend.write(tmp_path / "new.toml", VALUES)

    read = load.read({}, {}, tmp_path / "new.toml")

    assert (read.settings.workers.runs, read.settings.batching.max_batch) == (3, 8)
