"""Fetching a picture that a client names by URL, within a time, a size and a number of hops.

Every hop of a redirect goes through the whole policy again. What is raised names the host at most:
the rest of a URL may be a secret of the client's, addresses are one of the server's.
"""

import asyncio
import contextlib
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import aiohttp
import yarl

from parallax.contract import errors
from parallax.gateway import budget, problems
from parallax.gateway.remote import connection, policy, resolver
from parallax.settings import concerns

AT_ONCE = 64
"""Fetches under way per api process; further ones wait for their turn."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one fetch may take."""

    largest: int
    """Bytes of a picture."""
    seconds: float
    redirects: int
    at_once: int = AT_ONCE
    waiting: int = 512
    """Fetches that may wait for their turn."""


class Fetcher:
    """Fetches pictures for the requests of one api process."""

    def __init__(
        self,
        rules: policy.Policy,
        limits: Limits,
        lookup: resolver.Lookup,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._limits = limits
        self._vetting = resolver.Vetting(rules, lookup)
        self._tls = tls
        self._clock = clock
        self._room = asyncio.Semaphore(limits.at_once)
        self._waiting = 0

    async def fetch(self, url: str, until: float) -> bytes:
        """Return what is found under a URL; the bytes are charged to the exchange this runs for.

        ``until`` is the deadline of the request, on the clock given at construction.

        Raises:
            BadImageError: the URL may not be fetched, or there is no picture to be had from it.
            OverloadedError: too many fetches wait, or the server holds too many bytes.
            DeadlineExceededError: ``until`` passed.
        """
        target = self._rules.target(url)
        try:
            async with asyncio.timeout(until - self._clock()), self._turn():
                return await self._in_time(target)
        except TimeoutError:
            raise errors.DeadlineExceededError(
                "The picture was not fetched within the deadline of the request."
            ) from None

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._limits.waiting:
            raise errors.OverloadedError("Too many pictures wait to be fetched; try again.")
        self._waiting += 1
        try:
            await self._room.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._room.release()

    async def _in_time(self, target: policy.Target) -> bytes:
        seconds = self._limits.seconds
        try:
            async with (
                asyncio.timeout(seconds),
                connection.session(self._vetting, self._tls) as session,
            ):
                return await self._follow(session, target)
        except TimeoutError:
            raise problems.not_loaded(
                f"{target.host} did not send the picture within {seconds:g} s."
            ) from None

    async def _follow(self, session: aiohttp.ClientSession, target: policy.Target) -> bytes:
        for _ in range(self._limits.redirects + 1):
            try:
                async with _get(session, target) as response:
                    location = response.headers.get("Location")
                    if response.status not in _REDIRECTS or location is None:
                        return await self._read(response, target.host)
            except (aiohttp.ClientError, OSError) as problem:
                raise problems.not_loaded(_cause(problem, target.host)) from problem
            target = self._rules.target(_joined(target, location))
        raise problems.not_loaded(
            f"The URL leads through more than {self._limits.redirects} redirects."
        )

    async def _read(self, response: aiohttp.ClientResponse, host: str) -> bytes:
        if response.status != 200:
            raise problems.not_loaded(f"{host} answered with status {response.status}.")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            # Unpacked it could be of any size.
            raise problems.not_loaded(f"{host} sent the picture packed (Content-Encoding).")
        if (response.content_length or 0) > self._limits.largest:
            raise self._too_large(host)
        picture = bytearray()  # a list of one-byte chunks would take forty times their size
        async for chunk in response.content.iter_any():
            if len(picture) + len(chunk) > self._limits.largest:
                raise self._too_large(host)
            budget.charge(len(chunk))
            picture += chunk
        return bytes(picture)

    def _too_large(self, host: str) -> errors.BadImageError:
        return problems.not_loaded(
            f"The picture at {host} is larger than the limit of {self._limits.largest} bytes."
        )


def make(settings: concerns.Settings) -> Fetcher:
    """Return the fetcher that the options ask for."""
    limits = Limits(
        largest=settings.limits.max_body,
        seconds=settings.urls.url_timeout,
        redirects=settings.urls.url_redirects,
        waiting=settings.limits.max_in_flight,
    )
    return Fetcher(policy.from_settings(settings.urls), limits, resolver.SystemLookup())


def _get(
    session: aiohttp.ClientSession, target: policy.Target
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    # "encoded" sends path and query as the client wrote them: they may be signed.
    return session.get(yarl.URL(target.url, encoded=True), allow_redirects=False)


def _joined(target: policy.Target, location: str) -> str:
    try:
        return urllib.parse.urljoin(target.url, location)
    except ValueError:  # a bracket that is not closed
        raise problems.not_loaded(f"{target.host} redirects to a malformed URL.") from None


def _cause(problem: Exception, host: str) -> str:
    match problem:
        case aiohttp.ClientConnectorDNSError():
            return f"The name {host} cannot be resolved."
        case aiohttp.ClientConnectorCertificateError():
            return f"The certificate of {host} is not valid."
        case aiohttp.ServerTimeoutError():
            return f"{host} did not accept a connection in time."
        case aiohttp.ClientConnectorError():
            return f"{host} cannot be connected to."
        case aiohttp.ClientResponseError():
            return f"The answer of {host} is not HTTP."
        case _:
            return f"{host} broke off its answer."
