"""What is known of a dead letter, for a table and as JSON."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from parallax.broker import letters
from parallax.contract import errors, messages, wire
from parallax.contract.topology import Stage

_LONGEST_CAUSE = 80


def all_of(letter: letters.Letter) -> dict[str, Any]:
    """Return everything but the picture itself, as JSON can say it."""
    facts: dict[str, Any] = {
        "id": letter.id,
        "time": _time(letter),
        "stage": letter.stage,
        "cause": letter.cause,
        "losses": letter.losses,
        "consumer": letter.consumer,
        "stream": letter.stream,
        "picture_bytes": letter.picture_bytes,
        "dropped_bytes": letter.dropped,
        "replayable": True,
        "obstacle": obstacle(letter),
        "traceback": letter.trace,
    }
    facts["replayable"] = not facts["obstacle"]
    if letter.address is not None:
        facts |= {"request": letter.address.request, "item": letter.address.item}
        facts["api"] = letter.address.api
    facts |= _of_work(letter)
    if letter.fields:
        facts["fields"] = [[_text(name), _text(value)] for name, value in letter.fields]
    return facts


def row(letter: letters.Letter, now: datetime) -> dict[str, Any]:
    """Return what fits into a line of a table."""
    cause = letter.cause or "not written by parallax"
    return {
        "id": letter.id,
        "age": _age(letter, now),
        "stage": letter.stage,
        "cause": cause if len(cause) <= _LONGEST_CAUSE else cause[: _LONGEST_CAUSE - 1] + "…",
        "model": _of_work(letter).get("model", ""),
        "losses": letter.losses,
        "picture kB": letter.picture_bytes / 1000 if letter.picture_bytes else None,
    }


def record(letter: letters.Letter) -> messages.PreWork:
    """Return the request as its api process submitted it.

    Raises:
        MalformedEntryError: the letter does not hold one that this version can read.
    """
    if letter.address is None:
        raise errors.MalformedEntryError("the entry was not written by parallax")
    if not letter.record:
        raise errors.MalformedEntryError("the request's record was gone, or too large to keep")
    return wire.decode(messages.PreWork, letter.record)


def obstacle(letter: letters.Letter) -> str:
    """Return why a letter cannot be replayed; empty if it can."""
    try:
        record(letter)
    except errors.MalformedEntryError as problem:
        return problem.message
    if not letter.picture_bytes:
        return (
            "its picture is not kept: its api process or its client had gone, another picture of "
            "the request had failed before, it was too large, or newer ones took its place"
        )
    return ""


def wants_picture(letter: letters.Letter) -> bool:
    """Say whether the answer to a letter's request is a JPEG and not JSON."""
    try:
        drawing = record(letter).params.drawing
    except errors.MalformedEntryError:
        return False
    return drawing is not None and drawing.alone


def _of_work(letter: letters.Letter) -> dict[str, Any]:
    """Return what the request's record says, and of which version the model was that had it."""
    try:
        asked = record(letter)
    except errors.MalformedEntryError:
        return {}
    facts = {"model": asked.model, "params": _plain(asked.params), "image": _plain(asked.image)}
    if letter.stage != Stage.PRE:
        facts["version"] = _version(letter)
    return facts


def _version(letter: letters.Letter) -> str:
    """Return which version of its model a request had met when it was given up."""
    try:
        if letter.stage == Stage.INFER:
            return wire.decode(messages.InferWork, letter.work).version
        return wire.decode(messages.PostWork, letter.work).version
    except errors.MalformedEntryError:
        return ""


def _plain(value: Any) -> Any:
    """Return messages as JSON objects with names, which they do not have in the broker."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return value


def _time(letter: letters.Letter) -> str:
    buried = _buried(letter)
    return "" if buried is None else buried.isoformat(timespec="milliseconds")


def _buried(letter: letters.Letter) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(letter.id.partition("-")[0]) / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # a stranger chooses the ids of its letters
        return None


def _age(letter: letters.Letter, now: datetime) -> str:
    buried = _buried(letter)
    if buried is None:
        return ""
    seconds = max(0, int((now - buried) / timedelta(seconds=1)))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
