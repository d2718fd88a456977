"""What all connections of an api process share, and what the caller may choose."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypercorn import app_wrappers, config
from hypercorn.asyncio import worker_context

from parallax.gateway.edge import patience

Headers = Sequence[tuple[bytes, bytes]]
Refuse = Callable[[bytes, bytes, Headers], bytes | None]
"""Gets method, target (path and query as sent) and headers (names in lower case) of each request as
soon as they are parsed. Returns None to let the application answer, or a whole HTTP/1.1 answer that
is written instead: with ``Content-Length`` and without ``Connection``. Counting and logging such
answers is its own affair. It must not block."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a server may be told."""

    rules: patience.Rules = field(default_factory=patience.Rules)
    max_connections: int = 4096
    vital: frozenset[bytes] = frozenset({b"/healthz", b"/readiness", b"/metrics"})
    """Paths that are answered on connections beyond the limit too."""
    refuse: Refuse | None = None
    tls: Callable[[], ssl.SSLContext] | None = None
    """Returns what the next connection is encrypted with."""


@dataclass(slots=True)
class Shared:
    """The application, how it is served, and whether the server drains."""

    app: app_wrappers.ASGIWrapper
    config: config.Config
    options: Options
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    context: worker_context.WorkerContext = field(
        default_factory=lambda: worker_context.WorkerContext(None)
    )
    draining: float | None = None
    """Since when, on the loop's clock."""
