"""The roster as a file in the supervisor's private directory: written whole, read by every child.

A message over a lifeline has an upper size and a roster has none; so messages only say that there
is a new one. Whoever reads the file finds the newest, which is never wrong.
"""

import os
from pathlib import Path

import msgspec

from parallax.contract import roster

NAME = "roster"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(roster.Roster)


def write(path: Path, what: roster.Roster) -> None:
    """Replace the file's content at once."""
    new = path.with_suffix(".new")
    new.write_bytes(_encoder.encode(what))
    os.replace(new, path)


def read(path: str) -> roster.Roster:
    """Return the newest roster.

    Raises:
        OSError: there is none (the supervisor is gone).
    """
    return _decoder.decode(Path(path).read_bytes())
