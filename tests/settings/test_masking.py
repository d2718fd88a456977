"""No password gets out, and the rest of the URL stays readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.settings import masking


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://user@host", "redis://user@host"),
        ("redis://:pw@host:1/2?x=1", "redis://:***@host:1/2?x=1"),
        ("rediss://me:p:w@host", "rediss://me:***@host"),
        ("redis://:p/w@x@host", "redis://:***@host"),
        ("unix:///run/r.sock?password=pw&db=1", "unix:///run/r.sock?password=***&db=1"),
        ("redis+sentinel://h/s?sentinel_password=pw", "redis+sentinel://h/s?sentinel_password=***"),
        ("redis://h?password=a@b", "redis://h?password=***"),
    ],
)
def test_masked(url: str, expected: str) -> None:
    assert masking.masked(url) == expected


@given(password=st.text(alphabet="abcZ0:@/?&=%~", min_size=1, max_size=12))
def test_no_password_survives(password: str) -> None:
    assert masking.masked(f"redis://user:{password}@host:6379/0").endswith("user:***@host:6379/0")


def test_what_is_no_url_is_hidden_whole() -> None:
    assert masking.hidden("redis://:pw@h/0", "redis-url") == "redis://:***@h/0"
    assert masking.hidden("some-key", "api-key") == "***"
