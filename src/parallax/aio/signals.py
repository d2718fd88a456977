"""Which signals a child leaves to its supervisor."""

import signal


def leave_to_supervisor() -> None:
    """Ignore SIGINT and SIGTERM: a terminal or a service manager sends them to the whole group, but
    the supervisor stops its children in order, over their lifelines. SIGKILL ends one of them
    alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
