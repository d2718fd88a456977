"""What --print-config prints is a file that loads to the same settings."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import errors
from parallax.settings import concerns, fields, load, machine, render, resolve

HERE = machine.Machine(cpus=6, hostname="box", cache_home=Path("/c"), models=None)
FORMED = {
    "device": st.sampled_from(["cpu", "cuda", "cuda:0", "cuda:12"]),
    "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    "redis-url": st.sampled_from(["redis://h:1/0", "unix:///a", "rediss://u@h?x='\"\\"]),
    "directory": st.sampled_from(["/", "/tmp", "."]),
    "host": st.sampled_from(["a.example.com", "localhost", "10.0.0.1", "::1"]),
    "origin": st.sampled_from(["*", "https://a.example.com", "http://localhost:3000"]),
}
TEXTS = st.text(min_size=1, max_size=20).filter(str.isprintable)


def texts_for(field: fields.Field) -> st.SearchStrategy[str]:
    if field.option.choices:
        return st.sampled_from(field.option.choices)
    return FORMED.get(field.option.form, TEXTS)


def values_for(field: fields.Field) -> st.SearchStrategy[Any]:
    low, high = field.option.minimum, field.option.maximum
    if field.kind is fields.Kind.BOOLEAN:
        return st.booleans()
    if field.kind is fields.Kind.INTEGER:
        return st.integers(int(low or 0), int(high or 0))
    if field.kind is fields.Kind.NUMBER:
        return st.floats(low, high)
    if field.kind is fields.Kind.LIST:
        return st.lists(texts_for(field), min_size=1, max_size=3).map(tuple)
    return texts_for(field)


ANY_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        field.key: values_for(field) for field in fields.FIELDS if field.option.form != "api-key"
    },
).map(fields.build)


def printed(settings: concerns.Settings, origins: dict[str, str] | None = None) -> str:
    return render.to_toml(settings, origins or {}, resolve.resolve(settings, HERE))


@given(settings=ANY_SETTINGS)
def test_round_trip(settings: concerns.Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "printed.toml"
    path.write_text(printed(settings), encoding="utf-8")
    assert load.read({}, {}, path).settings == settings


def test_every_field_is_shown_with_its_help() -> None:
    text = printed(concerns.Settings())
    for field in fields.FIELDS:
        assert field.option.help in text
        assert f"{field.name} =" in text


def test_source_is_named_where_it_is_not_the_default() -> None:
    text = printed(fields.build({"http.port": 1}), {"http.port": "PORT"})
    assert "0 picks a free one. (a whole number from 0 to 65535) [set by PORT]\nport = 1" in text
    assert text.count("[set by") == 1


def test_value_of_the_machine_is_a_comment() -> None:
    text = printed(concerns.Settings())
    assert "\n# cpu_workers = 6\n" in text
    assert "cpu_workers" not in tomllib.loads(text)["workers"]


def test_keys_are_not_shown_and_what_is_shown_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "printed.toml"
    path.write_text(printed(fields.build({"http.api_keys": ("hush", "hash")})))
    assert 'api_keys = ["***", "***"]' in path.read_text()
    with pytest.raises(errors.SettingsError, match="api_keys: '\\*\\*\\*' is not a key"):
        load.read({}, {}, path)


def test_password_is_masked() -> None:
    text = printed(fields.build({"broker.redis_url": "redis://u:hush@h:1/0"}))
    assert tomllib.loads(text)["broker"]["redis_url"] == "redis://u:***@h:1/0"
    assert "hush" not in text
