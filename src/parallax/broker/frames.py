"""The layout of stream entries: which field holds what, and how fields become entries and replies.

Names are one letter because every entry repeats them. Both brokers, the real one and its in-process
twin, store exactly these fields, so that a malformed entry is met by the same code in both.
"""

import re
from collections.abc import Mapping, Sequence

from parallax.broker import base, letters
from parallax.contract.topology import Stage

REQUEST = b"q"
ITEM = b"i"
API = b"a"
LOSSES = b"n"
"""Absent: none."""
RECORD = b"r"
"""Absent in the pre stream, whose entries are the records."""
WORK = b"v"
BULK = b"b"
CODE = b"c"
"""Only in replies that a script wrote; the encoded reply (``v``) is then absent."""
MESSAGE = b"m"

LETTER = b"l"
"""Only in replies: the dead letter that the request has become."""

POISONED_CODE = "poisoned"

Fields = tuple[bytes | str | int, ...]
"""Field, value, field, value, ... as a command carries them."""

_STREAM_ID = re.compile(rb"\d{1,19}-\d{1,19}")
"""A script breaks off half-way at an id of more than 64 bits; with 19 digits all fit."""
_ANY_ID = re.compile(rb"\d{1,20}-\d{1,20}")
"""All that a server makes or takes from a stranger."""
_HEAD = frozenset({b"stage", b"stream", b"consumer", b"cause", b"losses"})
"""What every dead letter says of its end."""
_OURS = _HEAD | {b"trace", b"record", b"dropped"}
_NOBODY = base.Address(request="", item=0, api="")


def submitted(op: base.Submit) -> Fields:
    """Fields of a new record."""
    to = op.address
    return (REQUEST, to.request, ITEM, to.item, API, to.api, WORK, op.work, BULK, op.bulk)


def handed_off(op: base.HandOff) -> Fields:
    """Fields of an owned entry's successor in the next stage."""
    came, to = op.entry, op.entry.address
    head = (REQUEST, to.request, ITEM, to.item, API, to.api)
    return (*head, LOSSES, came.losses, RECORD, came.record, WORK, op.work, BULK, op.bulk)


def answered(to: base.Address, reply: bytes, bulk: bytes) -> Fields:
    """Fields of a reply."""
    return (REQUEST, to.request, ITEM, to.item, WORK, reply, BULK, bulk)


def poisoned_message(limit: int) -> str:
    """What a client is told whose request was given up after ``limit`` losses."""
    return f"the request was given up: {limit} workers in a row were lost while working on it"


def entry(stream: str, identity: bytes, flat: Sequence[bytes], *, is_record: bool) -> base.Entry:
    """Read a delivered entry; a stranger's comes back with empty work and an empty address."""
    here = identity.decode()
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    try:
        record = here if is_record else _stream_id(fields[RECORD])
        address = base.Address(
            request=fields[REQUEST].decode(), item=int(fields[ITEM]), api=fields[API].decode()
        )
        losses = int(fields.get(LOSSES, b"0"))
        work = fields[WORK]
    except (KeyError, ValueError):
        # The record of a stranger's entry is unknown: its own id must not stand in for it, because
        # ids of two streams may be equal.
        record, address, losses, work = here if is_record else "", _NOBODY, 0, b""
    bulk = fields.get(BULK, b"") if work else b""
    return base.Entry(
        stream=stream,
        id=here,
        record=record,
        address=address,
        losses=losses,
        work=work,
        bulk=bulk,
    )


def reply(identity: bytes, flat: Sequence[bytes]) -> base.ReplyEntry | None:
    """Read a reply, or ``None`` if it is malformed."""
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    try:
        body, code = fields.get(WORK, b""), fields.get(CODE, b"").decode()
        if not body and not code:
            return None
        return base.ReplyEntry(
            id=identity.decode(),
            request=fields[REQUEST].decode(),
            item=int(fields[ITEM]),
            reply=body,
            code=code,
            message=fields.get(MESSAGE, b"").decode(errors="replace"),
            bulk=fields.get(BULK, b""),
            letter=_stream_id(fields[LETTER]) if fields.get(LETTER) else "",
        )
    except (KeyError, ValueError):
        return None


def letter(identity: bytes, flat: Sequence[bytes], picture_bytes: int) -> letters.Letter:
    """Read a dead letter; of fields with one name the first counts, as it is ours.

    Raises:
        ValueError: the id is none; files are named after it.
    """
    if _ANY_ID.fullmatch(identity) is None:
        raise ValueError("not an id")
    pairs = tuple(zip(flat[::2], flat[1::2], strict=True))
    fields = dict(reversed(pairs))
    ours = fields.keys() >= _HEAD
    address = _address(fields) if ours else None
    work = fields[WORK] if address else b""
    told = fields if ours else {}

    def text(name: bytes) -> str:
        return told.get(name, b"").decode(errors="replace")

    return letters.Letter(
        id=identity.decode(),
        stage=text(b"stage"),
        stream=text(b"stream"),
        consumer=text(b"consumer"),
        cause=text(b"cause"),
        losses=_count(told.get(b"losses", b"")),
        trace=text(b"trace"),
        address=address,
        work=work,
        record=told.get(b"record") or (work if text(b"stage") == Stage.PRE else b""),
        picture_bytes=picture_bytes,
        dropped=_count(told.get(b"dropped", b"")),
        fields=()
        if address
        else tuple(pair for pair in pairs if pair[0] not in told.keys() & _OURS),
    )


def _address(fields: Mapping[bytes, bytes]) -> base.Address | None:
    try:
        to = base.Address(fields[REQUEST].decode(), int(fields[ITEM]), fields[API].decode())
    except (KeyError, ValueError):
        return None
    return to if WORK in fields else None


def _count(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) < 16 else 0


def following(identity: str) -> str:
    """Return the smallest stream id after this one."""
    milliseconds, _, sequence = identity.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"


def _stream_id(value: bytes) -> str:
    if _STREAM_ID.fullmatch(value) is None:
        raise ValueError("not a stream id")
    return value.decode()
