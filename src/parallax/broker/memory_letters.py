"""Dead letters on the in-process store: what ``letter_lua`` does, in Python."""

from collections.abc import Sequence
from dataclasses import dataclass

from parallax.broker import base, frames, letters
from parallax.broker.keys import Keys
from parallax.broker.memory_store import Store, Value, identity, text_of


@dataclass(frozen=True, slots=True)
class End:
    """What a dead letter says of its end."""

    holder: base.Holder
    cause: str
    losses: int
    trace: str


def inter(entry: base.Entry, end: End, fields: Sequence[bytes], keys: Keys, store: Store) -> str:
    """Write a letter, with the picture if the request's record has it, and return its id."""
    ours = {frames.REQUEST, frames.WORK} <= set(fields[::2])
    record = _record(entry, fields, keys, store) if ours else {}
    source, picture = record.get(frames.WORK, b""), record.get(frames.BULK, b"")
    dropped = 0
    if len(source) > letters.LETTER_BYTES:
        source, dropped = b"", len(source)
    if not _fits(picture):
        picture, dropped = b"", dropped + len(picture)
    room = letters.LETTER_BYTES - len(source)
    kept: list[bytes] = []
    for at in range(0, len(fields), 2):
        name, value = fields[at : at + 2]
        if ours and name == frames.BULK:
            continue
        if at >= 2 * letters.MOST_FIELDS or len(name) + len(value) > room:
            dropped += len(value)
        else:
            room -= len(name) + len(value)
            kept += (name, value)
    letter = store.add(keys.dead, (*_head(entry, end, source, dropped), *kept))
    for trimmed in store.trim(keys.dead, letters.MOST_LETTERS):
        store.hash(keys.dead_pictures).pop(trimmed, None)
    if picture:
        _keep(letter, picture, keys, store)
    return letter


def _head(entry: base.Entry, end: End, source: bytes, dropped: int) -> tuple[Value, ...]:
    return (
        *("stage", end.holder.group.value, "stream", entry.stream),
        *("consumer", end.holder.consumer, "cause", end.cause),
        *("losses", end.losses, "trace", end.trace, "record", source, "dropped", dropped),
    )


def _record(
    entry: base.Entry, fields: Sequence[bytes], keys: Keys, store: Store
) -> dict[bytes, bytes]:
    flat: Sequence[bytes] | None = fields
    if entry.stream != keys.pre:
        pre = store.stream(keys.pre)
        flat = pre.entries.get(identity(entry.record)) if pre and entry.record else None
    return dict(zip(flat[::2], flat[1::2], strict=True)) if flat else {}


def _fits(picture: bytes) -> bool:
    return 0 < len(picture) <= letters.PICTURE_BYTES


def _keep(letter: str, picture: bytes, keys: Keys, store: Store) -> None:
    pictures = store.hash(keys.dead_pictures)
    pictures[letter] = picture
    room = letters.PICTURES_BYTES
    for each in sorted(pictures, key=identity, reverse=True):
        room -= len(pictures[each])
        if room < 0:
            del pictures[each]


def letters_after(op: letters.Letters, keys: Keys, store: Store) -> list[letters.Letter]:
    """Return a page of letters."""
    stream = store.stream(keys.dead)
    later = [at for at in stream.entries if at > identity(op.after)] if stream else []
    return [_letter(text_of(at), keys, store) for at in later[: op.count]]


def find(op: letters.Find, keys: Keys, store: Store) -> letters.Letter | None:
    """Return one letter."""
    stream = store.stream(keys.dead)
    if stream is None or identity(op.letter) not in stream.entries:
        return None
    return _letter(op.letter, keys, store)


def _letter(letter: str, keys: Keys, store: Store) -> letters.Letter:
    stream = store.stream(keys.dead)
    flat = stream.entries[identity(letter)] if stream else []
    size = len(store.hash(keys.dead_pictures).get(letter, b""))
    return frames.letter(letter.encode(), flat, size)


def picture(op: letters.Picture, keys: Keys, store: Store) -> bytes:
    """Return the picture of a letter."""
    return store.hash(keys.dead_pictures).get(op.letter, b"")


def attach(op: letters.Attach, keys: Keys, store: Store) -> bool:
    """Put a picture to a letter."""
    there = find(letters.Find(op.letter), keys, store)
    if there is None or there.picture_bytes or not _fits(op.picture):
        return False
    _keep(op.letter, op.picture, keys, store)
    return op.letter in store.hash(keys.dead_pictures)


def discard(op: letters.Discard, keys: Keys, store: Store) -> int:
    """Remove letters."""
    for letter in op.letters:
        store.hash(keys.dead_pictures).pop(letter, None)
    return sum(store.remove(keys.dead, letter) for letter in op.letters)
