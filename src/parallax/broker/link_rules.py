"""What all single connections to a server keep to.

redis-py provides sockets, TLS, login and Sentinel, hiredis the parsing. The command layer of
redis-py is left out on purpose: it retries writes whose answer got lost (an XADD would then run
twice), its pool hands a connection on with a cancelled reader's reply still in it, and its default
socket timeout of 5 s cuts longer blocking reads. Once a connection is made its reading and writing
are left out too: they cost as much as the rest of a hop together.

Rules kept here instead: a link serves one caller at a time; it is looked at before it is used, so
that a connection that died while idle costs a reconnect and not an error; and whenever anything
goes wrong between the first byte out and the last reply in, it is closed, because what it would
deliver next belongs to nobody. It is closed as well when its server has become a replica: the next
connection is made to whichever is the primary then.
"""

CONNECT_TIMEOUT = 5.0
REPLY_TIMEOUT = 5.0
"""Seconds for a round trip, on top of what a blocking read waits."""
IDLE_CHECK = 15.0
"""After so many seconds without use a link is pinged first: a firewall may have dropped it
silently."""
PING = b"*1\r\n$4\r\nPING\r\n"


class BrokenLinkError(Exception):
    """A link failed. ``lost`` tells whether it had worked before and bytes may have reached the
    server."""

    def __init__(self, reason: str, *, lost: bool) -> None:
        super().__init__(reason)
        self.lost = lost
