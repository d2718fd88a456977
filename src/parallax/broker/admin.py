"""What a person at a broker's console does: look at every key, pause it, empty it.

No part of the server uses this. ``parallax chaos`` does, for its faults and to see what was left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from parallax.broker import decode, encode, links, urls
from parallax.broker.link_rules import BrokenLinkError
from parallax.contract import errors

_PAGE = 1000
"""Keys that the server looks at in one step of a scan."""
_STREAM = b"stream"


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and how full it is if it is a stream."""

    name: str
    lasting: bool
    """It has no time to live, so it stays until somebody deletes it."""
    length: int = 0
    """Entries; 0 of what is no stream."""
    pending: int = 0
    """Entries delivered to somebody and not acknowledged."""


class Console:
    """One connection for one thread; each method raises ``BrokerUnavailableError``."""

    def __init__(self, url: str) -> None:
        self._link = links.blocking_links(urls.check(url))()

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._link.close()

    def flush(self) -> None:
        """Delete every key."""
        self._run([("FLUSHALL",)])

    def pause(self, seconds: float) -> None:
        """Let all clients wait; this returns at once."""
        self._run([("CLIENT", "PAUSE", round(1000 * seconds), "ALL")])

    def all_keys(self) -> list[Key]:
        """Return all keys, in the order of their names, without those that vanish meanwhile."""
        names = sorted(self._names())
        looks: list[encode.Command] = [(word, name) for name in names for word in ("TYPE", "PTTL")]
        replies = self._run(looks) if looks else []
        found = []
        for name, kind, ttl in zip(names, replies[::2], replies[1::2], strict=True):
            if kind != b"none":
                length, pending = self._stream(name) if kind == _STREAM else (0, 0)
                found.append(Key(name.decode(errors="replace"), ttl == -1, length, pending))
        return found

    def _names(self) -> set[bytes]:
        names: set[bytes] = set()
        cursor = b"0"
        while True:
            ((cursor, page),) = self._run([("SCAN", cursor, "COUNT", _PAGE)])
            names.update(page)
            if cursor == b"0":
                return names

    def _stream(self, name: bytes) -> tuple[int, int]:
        length, groups = self._run([("XLEN", name), ("XINFO", "GROUPS", name)], lenient=True)
        if isinstance(length, decode.Refusal) or isinstance(groups, decode.Refusal):
            return 0, 0  # gone meanwhile
        rows = (dict(zip(row[::2], row[1::2], strict=True)) for row in groups)
        return length, sum(int(row[b"pending"]) for row in rows)

    def _run(
        self, commands: Sequence[encode.Command], *, lenient: bool = False
    ) -> list[decode.Reply]:
        try:
            replies = self._link.round_trip(links.packed(commands), len(commands), 0.0)
        except BrokenLinkError as broken:
            raise errors.BrokerUnavailableError(
                f"the broker cannot be reached: {broken}"
            ) from broken
        for reply in replies:
            if isinstance(reply, decode.Refusal) and not lenient:
                raise errors.BrokerUnavailableError(f"the broker refuses: {reply.text}")
        return replies
