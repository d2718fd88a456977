"""URLs that can be connected to, and the messages for those that cannot."""

import pytest

from parallax.broker import urls
from parallax.contract import errors


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://user:pw@localhost:6379/2",
        "rediss://[::1]:6390",
        "unix:///run/redis.sock",
        "redis+sentinel://a:26379,b/main/1",
    ],
)
def test_a_good_url_passes(url: str) -> None:
    assert urls.check(url) == url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://localhost", "scheme"),
        ("localhost:6379", "scheme"),
        ("redis://", "host"),
        ("redis://localhost:port", "port|Port"),
        ("unix://", "path"),
        ("redis+sentinel://a:1", "service"),
        ("redis+sentinel://a:x/main", "redis\\+sentinel://host"),
        ("redis+sentinel:///main", "service"),
    ],
)
def test_a_bad_url_is_a_settings_error_that_says_why(url: str, told: str) -> None:
    with pytest.raises(errors.SettingsError, match=told):
        urls.check(url)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        urls.check("http://user:secret@host/?password=secret")
    assert "secret" not in caught.value.message
    assert urls.public("redis://:secret@host:1/0") == "redis://***@host:1/0"
    assert urls.public("redis://host:1") == "redis://host:1"


def test_a_sentinel_url_is_taken_apart() -> None:
    url = "redis+sentinel://me:p%40ss@a:1,b,[::1]:3/main/4?sentinel_password=other"
    assert urls.sentinel(url) == urls.SentinelAddress(
        hosts=(("a", 1), ("b", 26379), ("::1", 3)),
        service="main",
        db=4,
        username="me",
        password="p@ss",
        sentinel_password="other",
    )


def test_a_socket_path_and_password_survive_quoting() -> None:
    assert urls.unix("/run/a b.sock", "p@s:s/") == "unix://:p%40s%3As%2F@/run/a%20b.sock"
    assert urls.unix("/run/x", None) == "unix:///run/x"
