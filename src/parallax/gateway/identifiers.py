"""Random ids for requests and answers: version 4 UUIDs (RFC 9562) as text; and the id of the
exchange under way.

Written from the random bits at once; ``uuid.uuid4`` builds an object that nobody needs.
"""

import contextvars
import os

_VERSION = 0x4 << 76
_VARIANT = 0x2 << 62
_FREE = (1 << 128) - 1 ^ (0xF << 76) ^ (0x3 << 62)
_exchange: contextvars.ContextVar[str] = contextvars.ContextVar("exchange", default="")


def enter(exchange: str) -> None:
    """Say which exchange the present task, and those that it starts, work for."""
    _exchange.set(exchange)


def exchange() -> str:
    """Return the id of the exchange that the present task works for; empty if it is none."""
    return _exchange.get()


def compact() -> str:
    """Return 32 hexadecimal digits."""
    return f"{int.from_bytes(os.urandom(16)) & _FREE | _VERSION | _VARIANT:032x}"


def dashed() -> str:
    """Return the 36 characters of the usual notation."""
    digits = compact()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
