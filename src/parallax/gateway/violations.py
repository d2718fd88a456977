"""From what msgspec says of a value to the ``detail`` entry that clients read."""

import re

from parallax.gateway import problems

_PLACE = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_MISSING = re.compile(r"missing required field `(.+?)`")
_KINDS = ((" of length >=", "too_short"), (" of length <=", "too_long"), ("= ", "out_of_range"))


def violation(message: str, where: str) -> problems.InvalidBodyError:
    """Return the refusal of a value; ``where`` is ``body`` or ``query``."""
    location: list[str | int] = [where]
    place = _PLACE.search(message)
    if place is not None:
        message = message[: place.start()]
        location += [int(index) if index else name for name, index in _STEP.findall(place.group(1))]
    missing = _MISSING.search(message)
    if missing is not None:
        location.append(missing.group(1))
        return problems.InvalidBodyError("Field required", tuple(location), "missing")
    kind = next((kind for words, kind in _KINDS if words in message), "type_error")
    return problems.InvalidBodyError(message, tuple(location), kind)
