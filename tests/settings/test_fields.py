"""The table of fields holds for every source."""

import dataclasses

from parallax.settings import concerns, fields, parse


def test_names_are_unique_over_all_concerns() -> None:
    # Command-line values are handed over by field name alone.
    for names in (
        [field.name for field in fields.FIELDS],
        [field.flag for field in fields.FIELDS],
        [name for field in fields.FIELDS for name in field.environment],
    ):
        assert len(names) == len(set(names))


def test_every_field_of_every_concern_is_an_option() -> None:
    count = sum(len(dataclasses.fields(getattr(concerns.Settings(), s))) for s in fields.SECTIONS)
    assert len(fields.FIELDS) == count


def test_defaults_are_allowed_values() -> None:
    for field in fields.FIELDS:
        if field.default is not None and field.option.form != "directory":
            assert parse.from_typed(field, field.default) == field.default


def test_every_help_is_a_sentence() -> None:
    for field in fields.FIELDS:
        assert field.option.help.endswith("."), field.key


def test_build_without_values_gives_the_defaults() -> None:
    assert fields.build({}) == concerns.Settings()


def test_changed_keeps_the_rest() -> None:
    settings = fields.changed(fields.build({"http.port": 5}), {"http.host": "h"})
    assert (settings.http.port, settings.http.host) == (5, "h")
