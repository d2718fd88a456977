"""Random ids for requests and answers: version 4 UUIDs (RFC 9562) as text.

Written from the random bits at once; ``uuid.uuid4`` builds an object that nobody needs.
"""

import os

_VERSION = 0x4 << 76
_VARIANT = 0x2 << 62
_FREE = (1 << 128) - 1 ^ (0xF << 76) ^ (0x3 << 62)


def compact() -> str:
    """Return 32 hexadecimal digits."""
    return f"{int.from_bytes(os.urandom(16)) & _FREE | _VERSION | _VARIANT:032x}"


def dashed() -> str:
    """Return the 36 characters of the usual notation."""
    digits = compact()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
