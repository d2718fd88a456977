"""Which URLs may be fetched, and that every reader of an accepted URL sees the same host."""

import ipaddress
import urllib.parse
from dataclasses import replace

import hypothesis
import pytest
import yarl
from hypothesis import strategies as st

from parallax.contract import errors
from parallax.gateway.remote import names, policy
from parallax.settings import url_input

STRICT = policy.Policy()
LOOSE = policy.Policy(
    non_https=True, without_fqdn=True, any_port=True, reachable=lambda address: True
)


def refusal(rules: policy.Policy, url: str) -> str:
    with pytest.raises(errors.BadImageError) as caught:
        rules.target(url)
    assert caught.value.message.startswith("Could not load input image. Cause: ")
    return caught.value.message


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/A?b=%2F#c", "https://example.com/A?b=%2F"),
        ("https://example.com?a", "https://example.com/?a"),
        ("https://example.com#a", "https://example.com/"),
        ("https://example.com/ü?ö", "https://example.com/%C3%BC?%C3%B6"),
        ("https://example.com/a/../b//c", "https://example.com/a/../b//c"),
        ("https://example.com/a@b:c", "https://example.com/a@b:c"),
        ("https://example.com/?u=https://127.0.0.1/", "https://example.com/?u=https://127.0.0.1/"),
    ],
)
def test_a_public_https_url_is_fetched(url: str, fetched: str) -> None:
    assert STRICT.target(url).url == fetched


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "HTTP://example.com", "ftp://example.com/a", "file:///etc/passwd"],
)
def test_another_scheme_is_refused(url: str) -> None:
    assert "non https:// URL" in refusal(STRICT, url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0", "0x7f000001", "0x7f.1", "2130706433", "0177.0.0.1",
        "127.0.0.1.", "example.com.", "127.0.0.1.nip", "[::1]", "[::ffff:127.0.0.1]",
        "[2606:4700:4700::1111]", "8.8.8.8", "localhost", "printer.local", "com", "co.uk",
        "metadata.google.internal", "a..com", ".example.com", "-", "_", "...", "[1.2.3.4]", "[::g]",
    ],
)  # fmt: skip
def test_a_host_that_is_no_public_name_is_refused(host: str) -> None:
    cause = refusal(STRICT, f"https://{host}/a")
    assert "URL without FQDN" in cause or "malformed" in cause
    refusal(STRICT, f"https://{host}:443")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "2130706433", "localhost", "[::1]", "8.8.8.8", "printer.local"]
)
def test_the_reason_is_the_one_that_clients_look_for(host: str) -> None:
    assert "URL without FQDN" in refusal(STRICT, f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com/", "https:example.com", "https:/example.com", "https://",
        "https:///a", "https://:443/", "https://?a", "data:image/png;base64,AA==",
        "://example.com", "https://user@example.com/", "https://example.com@127.0.0.1/",
        "https://example.com:pw@127.0.0.1/", "https://127.0.0.1%2f@example.com/",
        "https://example.com%2f.evil.com/", "https://%65xample.com/",
        "https://example.com%00.org/", "https://example.com\\@127.0.0.1/",
        "https://example.com\\.evil.com/", "https:\\\\example.com", "https://example.com/a\\b",
        "https://example.com /", " https://example.com/", "https://example.com/a b",
        "https://example.com\t/", "https://exa\nmple.com/", "https://example.com/\r\nHost: a",
        "https://example.com/\x00", "https://example.com/\u2028", "https://example.com/\ud800",
        "https://ex\u00ad.com/", "https://example\u3002com/",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "https://\u2460\u2461\u2466.0.0.1/",
        "https://\u24d4xample.com/", "https://bücher.de/", "https://example.com:/",
        "https://example.com:0/", "https://example.com:99999/", "https://example.com:443443/",
        "https://example.com:-1/", "https://example.com:4e2/", "https://example.com:443:443/",
        "https://example.com:\uff14\uff14\uff13/", "https://[::1%25lo]/",
        "https://[::1]example.com/", "https://example.com[::1]/", "https://[]/", "https://[/",
        "https://example.com;127.0.0.1/", "https://example.com,127.0.0.1/", "https://a!b.com/",
        "https://example.com" + "/" * 9000,
    ],
)  # fmt: skip
def test_what_readers_of_urls_disagree_about_is_refused(url: str) -> None:
    refusal(STRICT, url)
    refusal(replace(LOOSE, without_fqdn=False), url)


@pytest.mark.parametrize("url", ["https://example.com:8443/", "https://example.com:80/"])
def test_another_port_is_refused(url: str) -> None:
    assert "default port" in refusal(STRICT, url)
    assert replace(STRICT, any_port=True).target(url).url == url


def test_with_http_allowed_no_third_scheme_is() -> None:
    rules = replace(STRICT, non_https=True)
    assert rules.target("http://example.com").port == 80
    assert "http://" in refusal(rules, "ftp://example.com/")


def test_a_host_on_the_block_list_is_refused_even_if_allowed() -> None:
    rules = replace(STRICT, allow=frozenset({"a.com", "b.com"}), block=frozenset({"b.com"}))
    assert rules.target("https://A.com/").host == "a.com"
    for host in ("b.com", "B.COM", "c.com", "x.a.com"):
        assert host.lower() in refusal(rules, f"https://{host}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "10.0.0.1"])
def test_without_fqdn_an_address_still_has_to_be_global(host: str) -> None:
    rules = replace(STRICT, without_fqdn=True)
    assert "not global" in refusal(rules, f"https://{host}/")
    assert LOOSE.target(f"https://{host}/").url


@pytest.mark.parametrize(
    "host", ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1.", "a..b"]
)
def test_without_fqdn_an_odd_spelling_is_still_refused(host: str) -> None:
    assert "malformed" in refusal(LOOSE, f"https://{host}/")


def test_an_address_in_an_odd_case_is_on_the_list_in_its_usual_one() -> None:
    rules = replace(LOOSE, block=frozenset({"::1"}))
    refusal(rules, "https://[0:0::0001]/")


def test_switched_off_comes_before_all_else() -> None:
    assert "by URL" in refusal(policy.Policy(enabled=False), "ftp:nonsense")


def test_one_bad_address_of_many_is_enough() -> None:
    good, bad = ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("10.0.0.1")
    STRICT.vet("example.com", [good, good])
    with pytest.raises(errors.BadImageError) as caught:
        STRICT.vet("example.com", [good, bad])
    assert "10.0" not in caught.value.message


def test_the_defaults_of_the_options_are_the_strict_policy() -> None:
    assert policy.from_settings(url_input.UrlSettings()) == STRICT


def test_the_options_reach_the_policy() -> None:
    rules = policy.from_settings(
        url_input.UrlSettings(
            url_non_https=True,
            url_without_fqdn=True,
            url_non_global=True,
            url_allow=("LocalHost", "::0001"),
            url_block=("B.com",),
        )
    )
    assert rules.target("http://localhost:8000/a").url == "http://localhost:8000/a"
    assert rules.target("http://[::1]:8000/a").url == "http://[::1]:8000/a"
    assert rules.block == {"b.com"}


def test_no_url_is_fetched_when_switched_off() -> None:
    assert not policy.from_settings(url_input.UrlSettings(url_input=False)).enabled


PIECES = st.sampled_from(
    [
        "https", "http", "://", ":", "/", "//", "\\", "@", "?", "#", ".", "%", "%2f", "%40", "[",
        "]", "example.com", "127.0.0.1", "0x7f.1", "localhost", "::1", "443", "80", " ", "\t",
        "\n", "\x00", "\u3002", "\uff11", "user", "xn--", "co.uk", "-", "_", "0",
    ]
)  # fmt: skip
URLS = st.one_of(
    st.text(max_size=40),
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=8).map(lambda pieces: "https://example.com" + "".join(pieces)),
    st.lists(PIECES, max_size=8).map(lambda pieces: "https://" + "".join(pieces)),
)


@hypothesis.given(URLS)
def test_an_accepted_url_has_a_public_host_and_all_readers_agree_on_it(url: str) -> None:
    try:
        target = STRICT.target(url)
    except errors.BadImageError:
        return
    assert (target.scheme, target.port) == ("https", 443)
    assert names.is_fqdn(target.host)
    assert target.url.isascii()
    assert urllib.parse.urlsplit(target.url).netloc == target.host
    assert yarl.URL(target.url, encoded=True).raw_host == target.host
    assert STRICT.target(target.url) == target


@hypothesis.given(URLS)
def test_a_loosely_accepted_url_is_read_alike_too(url: str) -> None:
    try:
        target = LOOSE.target(url)
    except errors.BadImageError:
        return
    read = yarl.URL(target.url, encoded=True)
    assert (read.scheme, read.raw_host, read.port) == (target.scheme, target.host, target.port)
    assert urllib.parse.urlsplit(target.url).hostname == target.host
