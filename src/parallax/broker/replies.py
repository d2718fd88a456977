"""Bytes of a connection to replies. Errors of the server become values: one of them in a batch says
nothing about the others."""

from typing import Any

import hiredis

from parallax.broker import decode

_MORE = object()
_GENERIC = "ERR "
_DEMOTED = "READONLY"
_REFUSED = hiredis.ReplyError

ProtocolError = hiredis.HiredisError
"""What arrived is not of this protocol."""


class Replies:
    """Collects the replies of one round trip after the other."""

    def __init__(self) -> None:
        self._reader: Any = hiredis.Reader(notEnoughData=_MORE)
        self._got: list[decode.Reply] = []
        self.demoted = False
        """Whether the server has refused to write, because it is a replica (by now)."""

    def feed(self, data: bytes | bytearray, count: int, wanted: int) -> bool:
        """Take the first ``count`` bytes in; tell whether ``wanted`` replies are complete.

        Raises:
            ProtocolError: the bytes are not of this protocol, or more than was wanted.
        """
        self._reader.feed(data, 0, count)
        while (reply := self._reader.gets()) is not _MORE:
            self._got.append(self._refusal(reply) if isinstance(reply, _REFUSED) else reply)
        if len(self._got) > wanted:
            raise ProtocolError("a reply came that nobody had asked for")
        return len(self._got) == wanted

    def take(self) -> list[decode.Reply]:
        """Return the replies and begin anew."""
        got, self._got = self._got, []
        return got

    def _refusal(self, problem: Exception) -> decode.Refusal:
        text = str(problem).removeprefix(_GENERIC)
        refusal = decode.Refusal(text.partition(" ")[0], text)
        self.demoted = self.demoted or refusal.code == _DEMOTED
        return refusal
