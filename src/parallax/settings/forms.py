"""What a text must look like to be a device, a name, a host, a key, a URL or a directory.

A mistake in one of these would otherwise surface later, in another process, as something else.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_KEY = re.compile(r"[!-+\--~]{1,256}")
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/,\s]+")
_SENTINEL = "redis+sentinel"
_BROKER_SCHEMES = ("redis", "rediss")


@dataclass(frozen=True, slots=True)
class Form:
    """A test for a text, and the words for what passes it."""

    matches: Callable[[str], bool]
    allowed: str


def is_broker_url(text: str) -> bool:
    """Say whether the text has the shape of a broker's address; the broker reads it in full."""
    try:
        parts = urlsplit(text)
        if parts.scheme == "unix":
            return len(parts.path) > 1
        if parts.scheme == _SENTINEL:  # a list of hosts, then the service
            return bool(parts.netloc) and len(parts.path) > 1
        return parts.scheme in _BROKER_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


def is_host(text: str) -> bool:
    """Say whether the text is a host as it stands in a URL."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text) is not None
    return True


def is_directory(text: str) -> bool:
    """Say whether the text names a directory that exists."""
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False


FORMS: dict[str, Form] = {
    "device": Form(lambda text: _DEVICE.fullmatch(text) is not None, "cpu or cuda:N"),
    "name": Form(
        lambda text: _NAME.fullmatch(text) is not None,
        "a name of up to 63 letters, digits, '.', '_' and '-'",
    ),
    "redis-url": Form(
        is_broker_url,
        "an address like redis://HOST:PORT, rediss://HOST:PORT, unix:///PATH or "
        "redis+sentinel://HOST,HOST/SERVICE",
    ),
    "host": Form(is_host, "a host name or an address, without scheme and port"),
    "api-key": Form(
        # A printed configuration shows a key as three stars; read back, that must not become one.
        lambda text: _KEY.fullmatch(text) is not None and set(text) != {"*"},
        "a key of up to 256 visible ASCII characters without commas",
    ),
    "origin": Form(
        lambda text: _ORIGIN.fullmatch(text) is not None,
        "an origin like https://app.example.com, or *",
    ),
    "directory": Form(is_directory, "a directory that exists"),
}
