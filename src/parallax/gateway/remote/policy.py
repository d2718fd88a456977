"""What a client may make this server fetch: a URL is taken apart here, and judged.

Pure: no lookup, no connection. What is fetched is put together from the parts that were judged,
each in its one spelling, and never read from the client's text: two readers that understand one
text differently are how such checks are tricked.
"""

import re
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from parallax.contract import errors
from parallax.gateway import problems
from parallax.gateway.remote import addresses, names
from parallax.settings import url_input

LONGEST_URL = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(#.*)?"
)
_AUTHORITY = re.compile(
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>0*[1-9][0-9]{0,4}))?"
)
_PRINTABLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a picture is fetched from; every part in its one spelling."""

    scheme: str
    host: str
    """A name in lower case, or an address without brackets."""
    port: int
    path: str
    """From the first slash on, with the query."""

    @property
    def url(self) -> str:
        """The parts as one text."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules. The defaults are the strict ones; hosts in the two sets are canonical."""

    enabled: bool = True
    non_https: bool = False
    without_fqdn: bool = False
    any_port: bool = False
    allow: frozenset[str] = frozenset()
    """The only hosts to fetch from; empty: any."""
    block: frozenset[str] = frozenset()
    """Never these, allowed or not."""
    reachable: Callable[[addresses.Address], bool] = addresses.is_public

    def target(self, url: str) -> Target:
        """Take a URL apart and judge all of it that can be judged without a lookup.

        Raises:
            BadImageError: the first rule that it breaks, in the order of the original server.
        """
        if not self.enabled:
            raise problems.not_loaded("This server does not fetch pictures by URL.")
        found = _URL.fullmatch(_readable(url))
        if found is None:
            raise _malformed()
        scheme = self._scheme(found["scheme"].lower())
        authority = _AUTHORITY.fullmatch(found["authority"])
        if authority is None:
            raise problems.not_loaded(
                "The host of the URL is malformed. An international name has to be in xn-- form."
            )
        host = self._host(authority["host"])
        port = self._port(scheme, authority["port"])
        return Target(scheme, host, port, _path(found["rest"]))

    def vet(self, host: str, found: Iterable[addresses.Address]) -> None:
        """Judge all addresses of a host: one bad one is enough, else the next lookup could be it.

        Raises:
            BadImageError: one of them is out of bounds. The message does not name it.
        """
        if not all(self.reachable(address) for address in found):
            raise problems.not_loaded(
                f"{host} has an address that is not global (--url-non-global allows it)."
            )

    def _scheme(self, scheme: str) -> str:
        if scheme != "https" and not self.non_https:
            raise problems.not_loaded(
                "This server does not fetch a non https:// URL (--url-non-https allows it)."
            )
        if scheme not in DEFAULT_PORTS:
            raise problems.not_loaded("The URL is neither https:// nor http://.")
        return scheme

    def _host(self, text: str) -> str:
        host = names.canonical(text)
        if not self.without_fqdn and not names.is_fqdn(host):
            raise problems.not_loaded(
                "This server does not fetch from a URL without FQDN (--url-without-fqdn allows it)."
            )
        address = names.literal(host)
        if address is None and not names.is_name(host):
            raise _malformed()
        if host in self.block or (self.allow and host not in self.allow):
            raise problems.not_loaded(f"This server does not fetch from {host}.")
        if address is not None:
            self.vet(host, [address])
        return host

    def _port(self, scheme: str, text: str | None) -> int:
        port = DEFAULT_PORTS[scheme] if text is None else int(text)
        if port > 65535:
            raise _malformed()
        if port != DEFAULT_PORTS[scheme] and not self.any_port:
            raise problems.not_loaded(
                f"This server fetches only from the default port of {scheme} "
                "(--url-non-global allows others)."
            )
        return port


def from_settings(settings: url_input.UrlSettings) -> Policy:
    """Return the policy that the options ask for.

    Other ports than the default come with non-global addresses: both are for services of one's own.
    """
    names.prepare()
    return Policy(
        enabled=settings.url_input,
        non_https=settings.url_non_https,
        without_fqdn=settings.url_without_fqdn,
        any_port=settings.url_non_global,
        allow=frozenset(map(names.canonical, settings.url_allow)),
        block=frozenset(map(names.canonical, settings.url_block)),
        reachable=_anywhere if settings.url_non_global else addresses.is_public,
    )


def _anywhere(_: addresses.Address) -> bool:
    return True


def _readable(url: str) -> str:
    """Return the URL, unless it has characters that readers of URLs disagree about."""
    if len(url) > LONGEST_URL:
        raise problems.not_loaded(f"The URL is longer than {LONGEST_URL} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise _malformed()
    return url


def _path(rest: str) -> str:
    """Return path and query as they are sent: from a slash on, all in ASCII."""
    quoted = urllib.parse.quote(rest, safe=_PRINTABLE_ASCII)
    return quoted if quoted.startswith("/") else f"/{quoted}"


def _malformed() -> errors.BadImageError:
    return problems.not_loaded("The URL is malformed.")
