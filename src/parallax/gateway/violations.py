"""From what msgspec says of a value to the ``detail`` entry that clients read."""

import re

from parallax.gateway import problems

_PLACE = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_MISSING = re.compile(r"missing required field `(.+?)`")
_KINDS = ((" of length >=", "too_short"), (" of length <=", "too_long"), ("= ", "out_of_range"))

_PICTURE = 'an object {"type", "value"}'
_EXPECTED = {
    "Expected `object | array`": f"{_PICTURE} or a list of them is expected",
    "Expected `object`": f"{_PICTURE} is expected",
    # Only the route that does not know this word refuses it.
    "Invalid enum value 'best'": 'a number or "default" is expected',
    "Invalid enum value": 'a number, "default" or "best" is expected',
    "Expected `float | str": 'a number, "default" or "best" is expected',
}
"""What is said of the fields that everyone meets; the first that begins so holds."""
_MET = frozenset({"image", "confidence"})


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
    return problems.InvalidBodyError(_worded(message, location), tuple(location), kind)


def _worded(message: str, location: list[str | int]) -> str:
    names = [step for step in location if isinstance(step, str)]
    if names[-1] not in _MET:
        return message
    return next((words for how, words in _EXPECTED.items() if message.startswith(how)), message)
