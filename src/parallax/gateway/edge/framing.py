"""Where one request ends and the next begins, so strictly that nobody in front of the server can
read the same bytes in another way (request smuggling, RFC 9112 section 11.2).

The parser (h11) is lenient in what these functions refuse before or after it.
"""

import re
from collections.abc import Iterable

BAD_REQUEST = 400
TIMEOUT = 408
HEADERS_TOO_LARGE = 431
CROWDED = 503
UNKNOWN_VERSION = 505

_REFUSALS = {
    BAD_REQUEST: ("Bad Request", "This is not a request in HTTP 1.1."),
    TIMEOUT: ("Request Timeout", "The headers of the request did not arrive in time."),
    HEADERS_TOO_LARGE: ("Request Header Fields Too Large", "The headers are too large."),
    501: ("Not Implemented", "Of transfer codings only chunked is known."),
    CROWDED: ("Service Unavailable", "There are too many connections; try again."),
    UNKNOWN_VERSION: ("HTTP Version Not Supported", "Only HTTP 1.1 is spoken here."),
}
"""Of HTTP itself, for what never becomes a request of the application: status, phrase, message."""

_VERSIONS = frozenset({b"1.0", b"1.1"})
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_SUSPICIOUS = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"  # control characters other than HTAB, CR and LF
    rb"|(?<!\r)\n|\r(?!\n)"  # line ends that are not CR LF
    rb"|\n[ \t]"  # a header that goes on in the next line
)
_TWO_LENGTHS = re.compile(rb"\ncontent-length:(?:[^\n]*,|[\s\S]*\ncontent-length:)", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\r\n]*)?\r\n")
_LONGEST_CHUNK_LINE = 4096


def objection_to_head(received: bytes, limit: int) -> int | None:
    """Return the status with which to refuse a request line and headers; None: parse them.

    ``received`` starts with the request line. As long as its end has not come, nothing is refused:
    the parser waits for it too, and refuses what grows over its own limit.
    """
    end = _END_OF_HEAD.search(received)
    if end is None:
        return None
    if end.end() > limit:
        return HEADERS_TOO_LARGE
    for suspicious in (_SUSPICIOUS, _TWO_LENGTHS):  # the parser takes two equal ones for one
        if suspicious.search(received, 0, end.end()):
            return BAD_REQUEST
    return None


def objection_to_request(version: bytes, headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the status with which to refuse parsed headers (names in lower case), None if all is
    well."""
    if version not in _VERSIONS:
        return UNKNOWN_VERSION
    lengths = encodings = 0
    for name, _ in headers:
        lengths += name == b"content-length"
        encodings += name == b"transfer-encoding"
    if lengths + encodings > 1 or (encodings and version == b"1.0"):
        return BAD_REQUEST
    return None


def last_chunk_is_whole(received: bytes) -> bool | None:
    """Say whether a body that is at the border of two chunks may be parsed further.

    The parser takes a bare LF for the end of a body, where others wait for CR LF. So the last chunk
    is parsed only when what follows it is here. Trailers are refused: nobody here reads them.

    Returns:
        True: go on. None: more bytes are needed. False: refuse.
    """
    rest = received.removeprefix(b"\r\n")  # the end of the chunk before
    end = rest.find(b"\n")
    if end < 0:
        return None if len(rest) < _LONGEST_CHUNK_LINE else False
    line = _CHUNK.fullmatch(rest, 0, end + 1)
    if line is None:
        return False
    if int(line[1], 16):
        return True
    after = rest[end + 1 : end + 3]
    if after == b"\r\n":
        return True
    return None if b"\r\n".startswith(after) else False


def refusal(status: int) -> bytes:
    """Return a whole answer, after which the connection is closed."""
    phrase, message = _REFUSALS.get(status, _REFUSALS[BAD_REQUEST])
    body = f'{{"message":"{message}"}}'
    retry = "Retry-After: 1\r\n" if status == CROWDED else ""
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{retry}Connection: close\r\n\r\n{body}"
    ).encode()


def closing(answer: bytes) -> bytes:
    """Return an answer, that leaves its connection open, as one that closes it."""
    return answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
