"""The traceback of a failure as text, for its dead letter."""

import traceback

MOST_BYTES = 4096
"""The end of a traceback says more than its beginning."""


def of(error: BaseException) -> str:
    """Return where an error comes from, in at most ``MOST_BYTES``; empty if nothing was raised."""
    if error.__traceback__ is None and error.__cause__ is None:
        return ""
    text = "".join(traceback.format_exception(error)).encode(errors="backslashreplace")
    return text[-MOST_BYTES:].decode(errors="ignore")
