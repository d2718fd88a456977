"""Only addresses of the open internet are public, whatever carries them."""

import ipaddress

import hypothesis
import pytest
from hypothesis import strategies as st

from parallax.gateway.remote import addresses


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "93.184.216.34",
        "2606:4700:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert addresses.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
    ],
)
def test_an_ipv4_address_of_another_network_is_not_public(text: str) -> None:
    address = ipaddress.IPv4Address(text)
    assert not addresses.is_public(address)
    assert not addresses.is_public(ipaddress.IPv6Address(f"::ffff:{text}"))
    assert not addresses.is_public(ipaddress.IPv6Address(f"64:ff9b::{text}"))
    assert not addresses.is_public(ipaddress.IPv6Address(f"::{text}"))
    assert not addresses.is_public(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)))


@pytest.mark.parametrize(
    "text",
    [
        "::",
        "::1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:0:808:808::f7f7:f7f7",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_ipv6_address_of_another_network_is_not_public(text: str) -> None:
    assert not addresses.is_public(ipaddress.IPv6Address(text))


@hypothesis.given(st.ip_addresses(v=4))
def test_an_ipv6_address_is_as_public_as_what_it_carries(inner: ipaddress.IPv4Address) -> None:
    public = addresses.is_public(inner)
    assert addresses.is_public(ipaddress.IPv6Address(f"::ffff:{inner}")) == public
    assert addresses.is_public(ipaddress.IPv6Address(f"64:ff9b::{inner}")) == public


@hypothesis.given(st.ip_addresses())
def test_what_is_public_is_global(address: addresses.Address) -> None:
    if addresses.is_public(address) and isinstance(address, ipaddress.IPv4Address):
        assert address.is_global
        assert not any([address.is_private, address.is_multicast, address.is_reserved])
