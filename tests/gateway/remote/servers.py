"""Servers on loopback that answer as a test says, and fetchers that find them by public names."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from parallax.contract import errors
from parallax.gateway import budget
from parallax.gateway.remote import addresses, fetch, policy, resolver

HOST = "pictures.example.com"
HERE = "127.0.0.1"
ELSEWHERE = "127.0.0.2"
PICTURE = b"\xff\xd8 some picture \xff\xd9"

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def open_to_here(address: addresses.Address) -> bool:
    """Call one loopback address public; all others stay what they are."""
    return address == ipaddress.IPv4Address(HERE) or addresses.is_public(address)


RULES = policy.Policy(non_https=True, any_port=True, reachable=open_to_here)


class Site:
    """A server that gives every connection the same answer, or one answer after the other."""

    def __init__(self, *answers: bytes | Answer) -> None:
        self.heads: list[str] = []
        """The requests that came."""
        self.port = 0
        self.closed = asyncio.Event()
        """Set when a client has closed its connection."""
        self._answers = answers
        self._open: dict[asyncio.StreamWriter, asyncio.Future[None]] = {}

    def url(self, path: str = "/", host: str = HOST, scheme: str = "http") -> str:
        """Return a URL of this server."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, and keep it open until the client closes it."""
        self._open[writer] = asyncio.get_running_loop().create_future()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            answer = self._answers[min(len(self.heads), len(self._answers)) - 1]
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(reader, writer)
            await reader.read()
        self.closed.set()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        self._open.pop(writer).set_result(None)

    async def stop(self) -> None:
        """End all connections."""
        for writer, ended in list(self._open.items()):
            writer.transport.abort()
            await ended


@contextlib.asynccontextmanager
async def running(
    *answers: bytes | Answer, at: str = HERE, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    """Run a site on a free port."""
    site = Site(*answers)
    server = await asyncio.start_server(site.serve, at, 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield site
        finally:
            await site.stop()


def reply(body: bytes = PICTURE, status: str = "200 OK", **headers: str) -> bytes:
    """Return an answer; ``_`` in a header's name stands for a dash."""
    fields = {"Content_Length": str(len(body))} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    """Return an answer that leads elsewhere."""
    return reply(b"", status, Location=to)


class Names:
    """A resolver with a table: per host the addresses of one lookup after the other."""

    def __init__(self, **hosts: Sequence[Sequence[str]]) -> None:
        self.asked: list[str] = []
        self._hosts = {HOST: [[HERE]], "inner.example.com": [[ELSEWHERE]]} | {
            f"{name}.example.com": answers for name, answers in hosts.items()
        }

    async def __call__(self, host: str) -> Sequence[str]:
        """Look a host up."""
        answers = self._hosts.get(host)
        if answers is None:
            raise OSError("no such name")
        self.asked.append(host)
        return answers[min(self.asked.count(host), len(answers)) - 1]


def fetcher(
    rules: policy.Policy = RULES,
    lookup: resolver.Lookup | None = None,
    tls: ssl.SSLContext | None = None,
    **limits: Any,
) -> fetch.Fetcher:
    """Return a fetcher with small limits."""
    wanted = {"largest": 1_000_000, "seconds": 5.0, "redirects": 3} | limits
    return fetch.Fetcher(rules, fetch.Limits(**wanted), lookup or Names(), tls, clock=lambda: 0.0)


async def get(one: fetch.Fetcher, url: str, until: float = 10.0) -> bytes:
    """Fetch for an exchange with much room; ``until`` is in seconds from now."""
    with budget.Budget(10_000_000).exchange():
        return await one.fetch(url, until)


async def refusal(one: fetch.Fetcher, url: str) -> str:
    """Return why a picture was not loaded."""
    with pytest.raises(errors.BadImageError) as caught:
        await get(one, url)
    assert caught.value.message.startswith("Could not load input image. Cause: ")
    return caught.value.message
