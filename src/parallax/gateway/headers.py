"""Looking up a header of a request without making an object of all of them."""

from starlette import types


def find(scope: types.Scope, name: bytes) -> bytes | None:
    """Return the first value of a header; ``name`` is in lower case, as in the scope."""
    for known, value in scope["headers"]:
        if known == name:
            return bytes(value)
    return None
