"""Broker URLs, checked before anybody connects: a typo must be an error message, not a time-out."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from parallax.contract import errors

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel")

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Where to ask who the primary is, and how to log in to either."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None
    sentinel_password: str | None


def check(url: str) -> str:
    """Return the URL if its form is one we can connect to.

    Raises:
        SettingsError: unknown scheme, a part is missing, or a file it names.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # what is wrong with it may be told with the password
        raise errors.SettingsError(f"redis-url {public(url)!r}: is not a URL") from None
    if parts.scheme not in SCHEMES:
        raise errors.SettingsError(
            f"redis-url {public(url)!r}: scheme must be one of {', '.join(SCHEMES)}"
        )
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise errors.SettingsError(f"redis-url {public(url)!r}: expected unix:///path/to/socket")
    if parts.scheme == "redis+sentinel":
        sentinel(url)
    elif parts.scheme != "unix":
        _check_port(url)
    _check_files(url, parts.query)
    return url


def doubts(url: str) -> list[str]:
    """Return what is questionable about a URL that can be used."""
    if parse_qs(urlsplit(url).query).get("ssl_cert_reqs", ["required"]) == ["required"]:
        return []
    return ["ssl_cert_reqs is not 'required': whoever answers is taken for the broker"]


def public(url: str) -> str:
    """Return the URL without its password, for logs and messages."""
    # By hand: a password that was not quoted may have any character in it.
    scheme, slashes, rest = url.partition("://")
    _, at, hosts = (rest if slashes else url).rpartition("@")
    shown = (f"***@{hosts}" if at else hosts).partition("?")[0]
    return f"{scheme}://{shown}" if slashes else shown


def unix(path: str, password: str | None) -> str:
    """Return the URL of a unix socket."""
    login = f":{quote(password, safe='')}@" if password else ""
    return f"unix://{login}{quote(path)}"


def is_sentinel(url: str) -> bool:
    """Tell whether the primary has to be asked for."""
    return urlsplit(url).scheme == "redis+sentinel"


def sentinel(url: str) -> SentinelAddress:
    """Read ``redis+sentinel://[user:password@]host[:port][,host...]/service[/db]``.

    ``?sentinel_password=`` logs in to the sentinels themselves.

    Raises:
        SettingsError: a part is missing or malformed.
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, _, db = parts.path.strip("/").partition("/")
    query = parse_qs(parts.query)
    try:
        if not service or not hosts:
            raise ValueError("host or service missing")
        return SentinelAddress(
            hosts=tuple(_host(part) for part in hosts.split(",")),
            service=unquote(service),
            db=int(db or 0),
            username=unquote(username) or None,
            password=unquote(password) or None,
            sentinel_password=query.get("sentinel_password", [None])[0],
        )
    except ValueError as problem:
        raise errors.SettingsError(
            f"redis-url {public(url)!r}: expected "
            f"redis+sentinel://host:port[,host:port]/service[/db] ({problem})"
        ) from problem


def _host(part: str) -> tuple[str, int]:
    host, colon, port = part.rpartition(":")
    if not colon:
        return part, _SENTINEL_PORT
    return host.strip("[]"), int(port)


def _check_files(url: str, query: str) -> None:
    for option in _FILES:
        for name in parse_qs(query).get(option, []):
            if not Path(name).is_file():
                raise errors.SettingsError(f"redis-url {public(url)!r}: {option}: no file {name!r}")


def _check_port(url: str) -> None:
    parts = urlsplit(url)
    try:
        hostname, _ = parts.hostname, parts.port
    except ValueError:  # a text in place of the port may be half of a password
        raise errors.SettingsError(
            f"redis-url {public(url)!r}: the port is not a number up to 65535"
        ) from None
    if not hostname:
        raise errors.SettingsError(f"redis-url {public(url)!r}: the host is missing")
