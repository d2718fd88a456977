"""Where settings are written: the command line and the environment (the file has its own module).

This is the only module that looks at the process's environment; everything else gets a mapping.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parallax.settings import fields

CONFIG_VARIABLE = fields.ENVIRONMENT_PREFIX + "CONFIG"
LEGACY_HOST_VARIABLE = "REDIS_HOST"
LEGACY_PORT_VARIABLE = "REDIS_PORT"
ACCEPTED_WITHOUT_EFFECT = ("CORE_MODEL_*_ENABLED",)
"""Names that deployments of the original server set, about things that parallax does not have."""

_EXTERNAL_PORT = "6379"
# A Kubernetes Service called "parallax" puts these into the environment of every pod beside it.
_SERVICE_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")
_SERVICE_LINK_NAME = re.compile(r"PARALLAX_(SERVICE_(HOST|PORT)|PORT)(_.+)?")


@dataclass(frozen=True, slots=True)
class Given:
    """One value as a user wrote it."""

    field: fields.Field
    origin: str
    """The name the user used: a flag, an environment name, or file, section and key."""
    raw: object
    is_text: bool
    """Whether the type is still to be read from a text."""


def environment() -> dict[str, str]:
    """Return the environment of this process."""
    return dict(os.environ)


def from_arguments(values: Mapping[str, Any]) -> Iterator[Given]:
    """Yield what the command line gives; ``values`` is by field name, None or () if not given."""
    for field in fields.FIELDS:
        raw = values.get(field.name)
        if raw is None or raw == ():
            continue
        flag = field.no_flag if raw is False else field.flag
        yield Given(field, flag, raw, is_text=isinstance(raw, str))


def from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    """Yield what the environment gives, the strongest name per field; empty counts as unset."""
    for field in fields.FIELDS:
        name = next((name for name in field.environment if _is_set(environ, name)), None)
        if name is not None:
            yield Given(field, name, environ[name], is_text=True)
        elif field.key == "broker.redis_url":
            yield from _legacy_broker(field, environ)


def unknown_names(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a remark on each name that looks like a misspelt option of ours."""
    known = {name for field in fields.FIELDS for name in field.environment} | {CONFIG_VARIABLE}
    for name in sorted(environ):
        ours = name.startswith(fields.ENVIRONMENT_PREFIX) and name not in known
        if ours and not _SERVICE_LINK_NAME.fullmatch(name):
            likely = nearest(name, known)
            if likely:
                yield f"{name} is not an option and has no effect; did you mean {likely}?"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one, if any is like it."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)
    return found[0] if found else None


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").strip()
    if name.startswith(fields.ENVIRONMENT_PREFIX) and _SERVICE_LINK_VALUE.match(value):
        return False
    return bool(value)


def _legacy_broker(field: fields.Field, environ: Mapping[str, str]) -> Iterator[Given]:
    """Read REDIS_HOST: this machine means the embedded broker, another one a broker over there."""
    host = environ.get(LEGACY_HOST_VARIABLE, "").strip().strip("[]")
    if not host or _is_this_machine(host):
        return
    port = environ.get(LEGACY_PORT_VARIABLE, "").strip() or _EXTERNAL_PORT
    place = f"[{host}]" if ":" in host else host
    yield Given(field, LEGACY_HOST_VARIABLE, f"redis://{place}:{port}", is_text=True)


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return address.is_loopback or address.is_unspecified
