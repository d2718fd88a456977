"""The encoded picture of a request, wherever it travels."""

from parallax.contract import errors, messages
from parallax.slab import slab as slabs


def encoded(work: messages.PreWork, bulk: bytes, slab: slabs.Slab) -> bytes:
    """Return the encoded picture of a record.

    Raises:
        DeadlineExceededError: its api process has taken it back, because nobody waits any more.
        MalformedEntryError: the record refers to no place in the slab.
    """
    if work.picture is None:
        return bulk
    try:
        return slab.copy(work.picture)
    except errors.TensorLostError:
        raise errors.DeadlineExceededError("nobody waits for this picture any more") from None
