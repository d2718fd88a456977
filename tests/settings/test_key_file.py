"""The file of keys: what each may do, and what is said of a mistake."""

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parallax.contract import errors
from parallax.settings import concerns, key_file

SECRET = "s3cret-of-camera-7"
FULL = f"""
[[key]]
name = "camera-7"
key = "{SECRET}"
models = ["shop/3", "demo"]
max_concurrent = 8
"""


def collect(path: Path, text: str = "", *keys: str, limit: int = 0) -> tuple[key_file.Key, ...]:
    path.write_text(text)
    return key_file.collect(
        concerns.HttpSettings(api_keys=keys, api_keys_file=str(path), key_concurrency=limit)
    )


def entry(**fields: str) -> str:
    return "\n".join(["[[key]]", *(f"{name} = {value}" for name, value in fields.items()), ""])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / "keys.toml"


def test_an_entry_says_who_may_do_what(path: Path) -> None:
    (key,) = collect(path, FULL)

    assert key == key_file.Key(
        "camera-7", key_file.digest(SECRET), frozenset({"shop/3", "demo"}), 8, admin=False
    )


def test_a_key_shows_neither_itself_nor_its_digest(path: Path) -> None:
    (key,) = collect(path, FULL)

    assert SECRET not in repr(key)
    assert "digest" not in repr(key)


@pytest.mark.parametrize("upper", [False, True])
def test_the_file_need_not_hold_the_key(path: Path, upper: bool) -> None:
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    text = entry(name="'a'", sha256=f"'{digest.upper() if upper else digest}'")

    assert collect(path, text)[0].digest == key_file.digest(SECRET)


@pytest.mark.parametrize(
    ("fields", "admin"),
    [
        ({}, True),
        ({"models": "['a']"}, False),
        ({"models": "[]"}, False),
        ({"models": "[]", "admin": "true"}, True),
        ({"admin": "false"}, False),
    ],
)
def test_who_may_use_all_models_manages_the_server_unless_said(
    path: Path, fields: dict[str, str], admin: bool
) -> None:
    (key,) = collect(path, entry(name="'a'", key="'k'", **fields))

    assert key.admin is admin


@pytest.mark.parametrize(("fields", "limit"), [({}, 5), ({"max_concurrent": "0"}, 0)])
def test_the_limit_of_all_keys_holds_where_the_file_says_none(
    path: Path, fields: dict[str, str], limit: int
) -> None:
    (key,) = collect(path, entry(name="'a'", key="'k'", **fields), limit=5)

    assert key.max_concurrent == limit


def test_keys_of_the_command_line_are_numbered_and_may_do_all(path: Path) -> None:
    first, second, third = collect(path, entry(name="'a'", key="'k'"), "x", "y", "x", limit=3)

    assert (first.name, second.name, third.name) == ("key-1", "key-2", "a")
    assert (first.models, first.admin, first.max_concurrent) == (None, True, 3)
    assert second.digest == key_file.digest("y")


def test_without_a_file_nothing_is_read() -> None:
    assert key_file.collect(concerns.HttpSettings()) == ()
    assert list(key_file.remarks(concerns.HttpSettings())) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no [[key]] in it, so nobody could be let in"),
        ("key = []", "there is no [[key]] in it, so nobody could be let in"),
        ("[[keys]]", "keys is not known; a file of keys has [[key]] only"),
        ("[key]\nname = 'a'", "key is a list of tables: write [[key]]"),
        ("key = [3]", "[[key]] 1: Expected `object`, got `int`"),
        (entry(name="'a'"), "[[key]] 1 (a): needs either key or sha256, and not both"),
        (
            entry(name="'a'", key="'k'", sha256=f"'{'0' * 64}'"),
            "[[key]] 1 (a): needs either key or sha256, and not both",
        ),
        (entry(key="'k'"), "[[key]] 1: Object missing required field `name`"),
        (FULL + "model = 'x'", "[[key]] 1 (camera-7): Object contains unknown field `model`"),
        (
            entry(name="'a'", key="'k'", admin="1"),
            "[[key]] 1 (a): Expected `bool | null`, got `int`",
        ),
        (entry(name="'a'", key="''"), "[[key]] 1 (a): key is not a key of up to 256 visible"),
        (entry(name="'a'", key="'k'", max_concurrent="-1"), "[[key]] 1 (a): Expected `int` >= 0"),
        (FULL + entry(name="'b'", sha256="'abc'"), "[[key]] 2 (b): sha256: 64 hex digits"),
        (entry(name="'a b'", key="'k'"), "[[key]] 1 (a b): Expected `str` matching"),
        (FULL + entry(name="'b'", key=f"'{SECRET}'"), "camera-7 and b are the same key"),
        (FULL + entry(name="'camera-7'", key="'k'"), "two keys are called camera-7"),
        (entry(name="'key-1'", key="'k'"), "two keys are called key-1"),
        (entry(name="'b'", key="'given'"), "key-1 and b are the same key"),
        (f"key = '{SECRET}", "is not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_file_and_entry_and_without_the_key(
    path: Path, text: str, told: str
) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        collect(path, text, "given")

    assert caught.value.message.startswith(f"{path}: {told}")
    assert SECRET not in caught.value.message


@given(
    content=st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.dictionaries(
        st.sampled_from(["name", "key", "sha256", "models", "max_concurrent", "admin"]),
        st.sampled_from(
            ["1", "9" * 30, "nan", "true", "''", "'a'", "[]", "[1]", "{}", "1979-05-27"]
        ),
    ).map(lambda fields: entry(**fields).encode())
)
@example(b"[[key]]\nmax_concurrent = " + b"9" * 5000)
def test_any_file_gives_keys_or_a_named_problem(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    http = concerns.HttpSettings(api_keys_file=str(path))

    with contextlib.suppress(errors.SettingsError):
        assert key_file.collect(http)


def test_all_mistakes_are_told_at_once(path: Path) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        collect(path, "x = 1\n" + entry(name="'a'") + entry(key="'k'"))

    assert len(caught.value.message.splitlines()) == 3


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    http = concerns.HttpSettings(api_keys_file=str(tmp_path / name))

    with pytest.raises(errors.SettingsError, match="there is no such file"):
        key_file.collect(http)


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    http = concerns.HttpSettings(api_keys_file=str(tmp_path / ("x" * 300)))

    with pytest.raises(errors.SettingsError, match="cannot be read: File name too long"):
        key_file.collect(http)


@pytest.mark.parametrize(("mode", "count"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o602, 1)])
def test_a_file_that_is_open_to_everybody_is_remarked_upon(
    path: Path, mode: int, count: int
) -> None:
    path.write_text(FULL)
    path.chmod(mode)

    assert len(list(key_file.remarks(concerns.HttpSettings(api_keys_file=str(path))))) == count
