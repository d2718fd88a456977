"""Which addresses a server may connect to on behalf of a stranger: only those of the open internet.

Anything else (loopback, private networks, a cloud's metadata service) is reachable for this
machine but not for the client, so fetching from it would lend the client the machine's place in
the network.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ALSO_REFUSED = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments; older Pythons call most global
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's host, which answers its own machines
    ipaddress.IPv6Network("3fff::/20"),  # documentation; newer than some Pythons' table
)


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the open internet.

    An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) is judged by what it
    carries, because that is where the packets end.
    """
    if any(address in network for network in _ALSO_REFUSED):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    carried = _carried(address)
    if carried is not None:
        return is_public(carried)
    return address in _GLOBAL_UNICAST and address.is_global and address.scope_id is None


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
