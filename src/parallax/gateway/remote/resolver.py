"""From a host to addresses that may be connected to.

The HTTP client asks here and connects to nothing but what it gets, so the address that was vetted
and the address that is connected to cannot differ, however often the name's owner changes it.
"""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import abc

from parallax.gateway.remote import policy

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""From a host to its addresses as texts; raises OSError when there are none."""

LOOKUPS = 128
"""Lookups that may be under way. The C library cannot give one up, so each lasts until the name's
server has answered or some 20 seconds have passed, whoever still waits for it."""
_MOST_ADDRESSES = 8


class Vetting(abc.AbstractResolver):
    """Looks hosts up and hands out their addresses only if the policy accepts every one."""

    def __init__(self, rules: policy.Policy, lookup: Lookup) -> None:
        self._rules = rules
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[abc.ResolveResult]:
        """Return addresses of a host.

        Raises:
            BadImageError: one of them is out of bounds.
            OSError: it has none.
        """
        found = [ipaddress.ip_address(text) for text in await self._lookup(host)]
        if not found:
            raise OSError("a name without addresses")
        self._rules.vet(host, found)
        return [
            abc.ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found[:_MOST_ADDRESSES]
        ]

    async def close(self) -> None:
        """Nothing is kept between lookups."""


class SystemLookup:
    """Asks the machine's own resolver (hosts file, name servers), in threads.

    They are daemons: an executor's threads would keep the process from ending while a name's server
    is silent.
    """

    def __init__(self, at_once: int = LOOKUPS) -> None:
        self._room = asyncio.Semaphore(at_once)

    async def __call__(self, host: str) -> list[str]:
        """Return all addresses of a host, each once."""
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def finish(outcome: list[str] | OSError) -> None:
            self._room.release()
            if found.done():  # nobody waits any more
                return
            if isinstance(outcome, OSError):
                found.set_exception(outcome)
            else:
                found.set_result(outcome)

        def work() -> None:
            outcome = _addresses(host)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
                loop.call_soon_threadsafe(finish, outcome)

        try:
            threading.Thread(target=work, name="lookup", daemon=True).start()
        except RuntimeError:  # no thread to be had
            finish(OSError("no thread for a lookup"))
        return await found


def _addresses(host: str) -> list[str] | OSError:
    try:
        # As bytes, because Python would run a text through an encoding of its own first.
        found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    except OSError as problem:
        return problem
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))
