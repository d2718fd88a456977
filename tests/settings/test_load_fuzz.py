"""Settings of any text from any source: taken, or one error that says what is wrong."""

import contextlib
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from parallax.contract import errors
from parallax.settings import concerns, fields, load

NAMES = sorted({name for field in fields.FIELDS for name in field.environment})
TEXTS = st.one_of(
    st.sampled_from(
        (
            *(
                "-1",
                "0",
                "1",
                "1e999",
                "nan",
                "inf",
                "9" * 5000,
                "٣",
                "true",
                "TRUE ",
                "a,b,,",
                "[",
                "{",
            ),
            *("/", "..", "redis://[", "unix://", "::1", "[::1]", "\0", "\x7f", "é", " ", "''", '"'),
        )
    ),
    st.text(max_size=12),
)
TOML = st.one_of(
    st.sampled_from(
        (
            *(
                "1",
                "-1",
                "0.5",
                "nan",
                "inf",
                "true",
                "'a'",
                "[]",
                "[1]",
                "['a', 2]",
                "{a = 1}",
                "1979-05-27",
            ),
            *(
                "0x10",
                "9" * 400,
                "''",
                "'''\n'''",
                "[[['a']]]",
                "07:32:00",
                "'\\u0000'",
                '"\\u0000"',
            ),
        )
    ),
    st.text("[]{}=,'\"#. \n-0123456789abe", max_size=12),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


def taken_or_refused(argv: dict[str, object], environ: dict[str, str], path: Path | None) -> None:
    with contextlib.suppress(errors.SettingsError):
        assert isinstance(load.read(argv, environ, path).settings, concerns.Settings)


@hypothesis.settings(max_examples=200)
@hypothesis.given(
    environ=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), TEXTS, max_size=4),
    argv=st.dictionaries(
        st.sampled_from([field.name for field in fields.FIELDS]), TEXTS, max_size=3
    ),
)
def test_any_environment_and_arguments(
    folder: Path, environ: dict[str, str], argv: dict[str, object]
) -> None:
    empty = folder / "empty.toml"
    empty.write_text("")
    taken_or_refused(argv, environ, empty)


@hypothesis.settings(max_examples=200)
@hypothesis.given(
    entries=st.lists(
        st.tuples(st.sampled_from(sorted(fields.BY_KEY)) | st.just("odd.name"), TOML), max_size=4
    ),
    tail=st.binary(max_size=6),
)
def test_any_file(folder: Path, entries: list[tuple[str, str]], tail: bytes) -> None:
    path = folder / "any.toml"
    path.write_bytes("\n".join(f"{key} = {value}" for key, value in entries).encode() + tail)
    taken_or_refused({}, {}, path)
