"""Dead letters: what was given up, and all that is needed to look into it or to try it again.

A letter is an entry of the capped dead-letter stream. Whatever stage gave the request up, the
letter holds the request's record, from which all can be computed again. The picture lies beside it,
in a hash by letter id: it is large, may come later (``Attach``) and goes earlier. What is read
here may have been written by another version or by a stranger, and is taken for nothing more than
bytes.
"""

from dataclasses import dataclass

from parallax.broker import base

MOST_LETTERS = 256
"""Dead letters that are kept; the oldest go first."""
LETTER_BYTES = 32 << 10
"""What a letter keeps of its entry and record, names and values together, without the picture."""
PICTURE_BYTES = 8 << 20
"""The largest picture that is kept."""
PICTURES_BYTES = 64 << 20
"""All kept pictures together, but never more than a sixteenth of the broker's memory; the oldest go
first."""
MOST_FIELDS = 64
"""Of an entry: a stranger's may have more than a script can hand over at once."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, not yet interpreted."""

    id: str
    """Its first part is the time of the burial, in milliseconds of the broker's clock."""
    stage: str
    """Where the request was given up; empty if parallax did not write this letter."""
    stream: str
    consumer: str
    """Who had the entry last."""
    cause: str
    losses: int
    """Workers that were lost while working on the request."""
    trace: str
    """Traceback of the exception, if there was one."""
    address: base.Address | None
    """None: the entry was a stranger's."""
    work: bytes
    """Of the entry, as ``contract.wire`` wrote it for its stage."""
    record: bytes
    """Work of the request's record, a ``PreWork``; empty: it was gone, or too large to keep."""
    picture_bytes: int
    """Size of the picture that is kept; 0: none is."""
    dropped: int
    """Bytes of the entry, record and picture that were too many to keep."""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    """What a stranger wrote; empty for entries of ours."""


@dataclass(frozen=True, slots=True)
class Letters(base.Op[list[Letter]]):
    """Read up to ``count`` letters, oldest first, beginning behind ``after``."""

    after: str = "0-0"
    count: int = 64


@dataclass(frozen=True, slots=True)
class Find(base.Op[Letter | None]):
    """Read one letter; ``None``: there is none of this id."""

    letter: str


@dataclass(frozen=True, slots=True)
class Picture(base.Op[bytes]):
    """Read the picture of a letter; empty: none is kept."""

    letter: str


@dataclass(frozen=True, slots=True)
class Attach(base.Op[bool]):
    """Put the picture to a letter that came without; answers whether it is kept.

    Refused: a letter that is gone, one that has a picture, and one that is too large.
    """

    letter: str
    picture: bytes


@dataclass(frozen=True, slots=True)
class Discard(base.Op[int]):
    """Remove letters with their pictures; answers how many there were."""

    letters: tuple[str, ...]
