"""The defaults that depend on the machine, filled in once and in one place.

Which devices there are only the runtime knows, and how many slots only the models tell; those stay
open.
"""

import re
from typing import Any

from parallax.settings import concerns, fields, machine

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def resolve(settings: concerns.Settings, here: machine.Machine) -> concerns.Settings:
    """Return the settings with what the machine decides where nothing was written."""
    open_values: dict[str, Any] = {
        "workers.cpu_workers": here.cpus,
        "broker.node": node_name(here.hostname),
        "models.cache_dir": str(here.cache_home / "parallax"),
        "models.models": () if here.models is None else (str(here.models),),
    }
    unset = {
        key: value
        for key, value in open_values.items()
        if fields.BY_KEY[key].value_in(settings) in (None, ())
    }
    return fields.changed(settings, unset)


def node_name(hostname: str) -> str:
    """Return the host name as a name that may stand in a broker key."""
    return _NOT_IN_NAMES.sub("-", hostname).strip("-._")[:63] or "localhost"
