"""Hosts have one spelling, and a public name is one that somebody registered."""

import socket

import hypothesis
import pytest
from hypothesis import strategies as st

from parallax.gateway.remote import names


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "a.b.example.co.uk",
        "s3.amazonaws.com",
        "my_bucket.s3.amazonaws.com",
        "someone.github.io",
        "xn--bcher-kva.de",
        "127.0.0.1.nip.io",
        "1.de",
        "a" * 63 + ".com",
    ],
)
def test_a_registered_name_is_an_fqdn(host: str) -> None:
    assert names.is_fqdn(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "com",
        "co.uk",
        "localhost",
        "printer",
        "printer.local",
        "redis.default.svc.cluster.local",
        "metadata.google.internal",
        "example.com.",
        ".example.com",
        "a..example.com",
        "-a.com",
        "a-.com",
        "Example.com",
        "exämple.com",
        "example.com\n",
        "a b.com",
        "a%2e.com",
        "127.0.0.1",
        "::1",
        "a" * 64 + ".com",
        "a." * 126 + "com",
    ],
)
def test_anything_else_is_not(host: str) -> None:
    assert not names.is_fqdn(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0", "0x7f000001", "0x7f.0.0.1", "2130706433", "0177.0.0.1",
        "a.1", "a.0x", "1.2.3.4.5", "010.0.0.1",
    ],
)  # fmt: skip
def test_what_the_c_library_may_read_as_an_address_is_no_name(host: str) -> None:
    assert not names.is_name(host)


def _is_number(host: str) -> bool:
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


@hypothesis.given(st.from_regex(r"(0x)?[0-9a-f]{0,11}(\.(0x)?[0-9a-f]{0,4}){0,4}", fullmatch=True))
def test_no_name_is_an_address_to_the_c_library(host: str) -> None:
    assert not (_is_number(host) and names.is_name(host))


@pytest.mark.parametrize(
    ("host", "spelling"),
    [
        ("EXAMPLE.com", "example.com"),
        ("[::0001]", "::1"),
        ("[::FFFF:127.0.0.1]", "::ffff:7f00:1"),
        ("127.0.0.1", "127.0.0.1"),
        ("[example.com]", "[example.com]"),
    ],
)
def test_a_host_has_one_spelling(host: str, spelling: str) -> None:
    assert names.canonical(host) == spelling
    assert names.canonical(spelling) == spelling
