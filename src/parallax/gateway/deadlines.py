"""How long a client is willing to wait for its answer: ``X-Request-Timeout``, in seconds."""

import math

from starlette import types

from parallax.contract import errors
from parallax.gateway import headers

NAME = "X-Request-Timeout"
_KEY = NAME.lower().encode()


def patience(scope: types.Scope, most: float) -> float:
    """Return the seconds that a request has: those it asks for, but at most ``most``.

    Raises:
        InvalidRequestError: the header is not a positive number.
    """
    sent = headers.find(scope, _KEY)
    if sent is None:
        return most
    try:
        seconds = float(sent)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise errors.InvalidRequestError(
            "must be a positive number of seconds", ("header", NAME.lower())
        )
    return min(most, seconds)
