"""From texts and typed values to checked ones."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.settings import fields, parse

PORT = fields.BY_KEY["http.port"]
TIMEOUT = fields.BY_KEY["limits.timeout"]
METRICS = fields.BY_KEY["http.metrics"]
HOST = fields.BY_KEY["http.host"]
DEVICES = fields.BY_KEY["workers.devices"]
DURABILITY = fields.BY_KEY["broker.durability"]
NODE = fields.BY_KEY["broker.node"]
MODELS = fields.BY_KEY["models.models"]
REDIS_URL = fields.BY_KEY["broker.redis_url"]


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "Yes", "on", " true "])
def test_true(text: str) -> None:
    assert parse.from_text(METRICS, text) is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "NO", "off"])
def test_false(text: str) -> None:
    assert parse.from_text(METRICS, text) is False


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (PORT, "0", 0),
        (PORT, "65535", 65535),
        (TIMEOUT, "1", 1.0),
        (TIMEOUT, "5e-2", 0.05),
        (DEVICES, "cpu", ("cpu",)),
        (DEVICES, "cuda:0,,cuda:1 ", ("cuda:0", "cuda:1")),
        (DURABILITY, "Always", "always"),
        (NODE, "a.b-c_1", "a.b-c_1"),
        (REDIS_URL, "rediss://u:p@h:1/2", "rediss://u:p@h:1/2"),
        (REDIS_URL, "unix:///run/redis.sock", "unix:///run/redis.sock"),
        (REDIS_URL, "redis+sentinel://a:1,b/main", "redis+sentinel://a:1,b/main"),
    ],
)
def test_text_that_is_taken(field: fields.Field, text: str, value: Any) -> None:
    assert parse.from_text(field, text) == value


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (METRICS, "maybe"), (METRICS, ""),
        (PORT, "-1"), (PORT, "65536"), (PORT, "1.5"), (PORT, "9" * 5000),
        (TIMEOUT, "nan"), (TIMEOUT, "inf"), (TIMEOUT, "0"), (TIMEOUT, "soon"),
        (HOST, ""), (HOST, "a\nb"), (HOST, "a\0b"), (HOST, "\udcff"),
        (DEVICES, "gpu"), (DEVICES, "cpu,cuda:x"),
        (DURABILITY, "sometimes"),
        (MODELS, "/no/such"), (MODELS, "/" + "a" * 5000), (MODELS, "/\0"),
        (NODE, "a:b"), (NODE, "a" * 64),
        (REDIS_URL, "localhost:6379"), (REDIS_URL, "http://h"), (REDIS_URL, "redis://"),
        (REDIS_URL, "redis://h:x"), (REDIS_URL, "redis://[h"), (REDIS_URL, "unix://"),
        (REDIS_URL, "redis+sentinel://a:1"),
    ],
)  # fmt: skip
def test_text_that_is_refused(field: fields.Field, text: str) -> None:
    with pytest.raises(parse.Refused):
        parse.from_text(field, text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (PORT, "9001"), (PORT, True), (PORT, 1.0), (PORT, 70000), (PORT, [1]),
        (TIMEOUT, "1"), (TIMEOUT, False), (TIMEOUT, 10**400),
        (METRICS, 1), (METRICS, "true"),
        (HOST, 1), (DEVICES, [1]), (DEVICES, {"a": 1}), (DEVICES, ["gpu"]),
    ],
)  # fmt: skip
def test_typed_value_that_is_refused(field: fields.Field, value: object) -> None:
    with pytest.raises(parse.Refused):
        parse.from_typed(field, value)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [(PORT, 1, 1), (TIMEOUT, 1, 1.0), (DEVICES, "cpu", ("cpu",)), (DEVICES, ["cpu"], ("cpu",))],
)
def test_typed_value_that_is_taken(field: fields.Field, value: object, expected: object) -> None:
    assert parse.from_typed(field, value) == expected


def test_refusal_names_the_item_of_a_list() -> None:
    with pytest.raises(parse.Refused, match="'gpu' is not cpu or cuda:N"):
        parse.from_text(DEVICES, "cpu,gpu")


@given(field=st.sampled_from(fields.FIELDS), text=st.text(max_size=20))
def test_no_text_fails_in_another_way_than_being_refused(field: fields.Field, text: str) -> None:
    with contextlib.suppress(parse.Refused):
        parse.from_text(field, text)
