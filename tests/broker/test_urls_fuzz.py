"""Whatever is given as the broker's URL, it is used or refused, and no password is shown."""

import contextlib

import hypothesis
import pytest
from hypothesis import strategies as st

from parallax.broker import client, urls
from parallax.contract import errors
from tests.broker import worlds

SECRET = "Xyzzy"
PARTS = st.sampled_from(
    (
        *("redis://", "rediss://", "unix://", "redis+sentinel://", "http://", "redis:", "//", ""),
        *("host", "[::1]", "[", "]", "[::1", "127.0.0.1", "ho st", "h\u2100", "%zz", "a,b", ","),
        *(":6379", ":0", ":-1", ":99999", ":x", ":", "/", "/0", "/x", "/-1", "/main/2", "//", "#f"),
        *(
            "?db=1",
            "?db=x",
            "?ssl_cert_reqs=none",
            "?ssl_cert_reqs=odd",
            "?socket_timeout=x",
            "?a=b",
        ),
        *(
            "?protocol=3",
            "?host=h",
            "?password=p",
            "&db=2",
            "?",
            "?max_connections=x",
            "?ssl_ca_certs=",
        ),
        *(
            "?retry=1",
            "?encoder_class=x",
            "?health_check_interval=nan",
            "\0",
            "\n",
            "é",
            "?path=/x",
        ),
    )
)
URLS = st.lists(PARTS, max_size=6).map("".join) | st.text(max_size=20)


@hypothesis.settings(max_examples=300)
@hypothesis.given(url=URLS)
def test_any_text_is_usable_or_a_settings_error(url: str) -> None:
    for connect in (client.connect_blocking, client.connect_async):
        with contextlib.suppress(errors.SettingsError):
            connect(url, worlds.KEYS)


@hypothesis.given(
    before=st.sampled_from(("redis://", "rediss://me", "redis+sentinel://", "http://", "unix://")),
    inside=st.sampled_from(
        (SECRET, f"{SECRET}:", f"a/{SECRET}", f"a?{SECRET}", f"[{SECRET}", f"#{SECRET}")
    ),
    after=URLS,
)
def test_a_password_is_never_shown_however_it_is_written(
    before: str, inside: str, after: str
) -> None:
    url = f"{before}:{inside}@{after}"
    assert SECRET not in urls.public(url)
    told = ""
    try:
        client.connect_blocking(url, worlds.KEYS)
    except errors.SettingsError as problem:
        told = problem.message
    assert SECRET not in told


@pytest.mark.parametrize(
    "url",
    [
        "redis://[",
        "redis://h?db=x",
        "redis://h?odd=1",
        "rediss://h?ssl_cert_reqs=odd",
        "unix:///a?db=q",
    ],
)
def test_what_no_connection_can_be_made_from_is_a_settings_error(url: str) -> None:
    for connect in (client.connect_blocking, client.connect_async):
        with pytest.raises(errors.SettingsError, match="redis-url"):
            connect(url, worlds.KEYS)
