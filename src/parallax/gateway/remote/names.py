"""Hosts as they are written in URLs: names of the public internet, bare names, addresses.

Pure. What is accepted has one spelling only, so that the host which is judged, the host which is
looked up and the host which a certificate is checked against are the same text.
"""

import functools
import ipaddress
import re

import publicsuffixlist

from parallax.gateway.remote import addresses

_LONGEST_NAME = 253
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# The C library reads such a text as an address: 127.1, 0x7f000001, 2130706433, 0177.0.0.1.
_ENDS_LIKE_AN_ADDRESS = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")


@functools.cache
def _suffixes() -> publicsuffixlist.PublicSuffixList:
    # Only what registries delegate: "s3.amazonaws.com" is a host like any other.
    return publicsuffixlist.PublicSuffixList(accept_unknown=False, only_icann=True)


def prepare() -> None:
    """Read the list of suffixes now (some 60 ms) instead of at the first question."""
    _suffixes()


def is_fqdn(host: str) -> bool:
    """Say whether a lower-case host is a name that somebody registered under a public suffix."""
    return is_name(host) and _suffixes().privatesuffix(host) is not None


def is_name(host: str) -> bool:
    """Say whether a lower-case host is a name and can be taken for nothing else."""
    return (
        len(host) <= _LONGEST_NAME
        and _NAME.fullmatch(host) is not None
        and _ENDS_LIKE_AN_ADDRESS.fullmatch(host) is None
    )


def literal(host: str) -> addresses.Address | None:
    """Return the address that a host is, if it is one in its usual spelling, brackets or not."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def canonical(host: str) -> str:
    """Return the one spelling of a host: lower case, an address in its shortest form."""
    address = literal(host)
    return host.lower() if address is None else str(address)
