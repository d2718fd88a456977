"""The HTTP client of one fetch: nothing of it is kept, so no two fetches share anything.

A pool would save handshakes with hosts that are asked often, and let a stranger with many hosts
fill it with idle connections.
"""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp

from parallax import version
from parallax.gateway.remote import resolver

CONNECT_SECONDS = 5.0
"""For lookup, TCP and TLS together."""

_HEADERS = {
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",  # a picture is compressed already
    "User-Agent": f"parallax/{version.VERSION}",
}


@contextlib.asynccontextmanager
async def session(
    vetting: resolver.Vetting, tls: ssl.SSLContext | None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client that connects where the resolver says, and carries no cookie and no password.

    ``tls`` is for authorities other than the system's.
    """
    sockets: list[socket.socket] = []

    def open_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        made = socket.socket(info[0], info[1], info[2])
        sockets.append(made)
        return made

    connector = aiohttp.TCPConnector(
        resolver=vetting,
        ssl=tls or True,
        use_dns_cache=False,
        force_close=True,
        socket_factory=open_socket,
    )
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
            trust_env=False,
            auto_decompress=False,
        ) as made:
            yield made
    finally:
        # A peer that does not take part in the end of a TLS connection would keep it for another
        # 30 seconds.
        for each in sockets:
            with contextlib.suppress(OSError):  # closed already
                each.shutdown(socket.SHUT_RDWR)
