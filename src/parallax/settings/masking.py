"""Secrets taken out of settings, before anything prints or logs them."""

import re

MASK = "***"

_QUERY_PASSWORD = re.compile(r"((?:^|[?&])[^=&?]*password=)[^&]*", re.IGNORECASE)
# Greedy to the last "@": a password with an unescaped "@" or "/" must not show its tail.
_CREDENTIALS = re.compile(r"(?P<scheme>^[^/]*//)(?P<user>[^:@]*):.*@")


def hidden(secret: str, form: str) -> str:
    """Return a secret of a form (``settings.forms``) as it may be shown: a URL without its
    passwords, anything else not at all."""
    return masked(secret) if form == "redis-url" else MASK


def masked(url: str) -> str:
    """Return the URL with ``***`` for each password and everything else as it is."""
    without_query = _QUERY_PASSWORD.sub(rf"\g<1>{MASK}", url)
    return _CREDENTIALS.sub(rf"\g<scheme>\g<user>:{MASK}@", without_query)
