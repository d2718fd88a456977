"""The requests that chaos sends, and what a right answer to each of them is."""

import base64
import enum
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from parallax.bench import connection, targets
from parallax.chaos import codes
from parallax.chaos.pictures import Picture

CONFIDENCE = 0.48
"""Least score of what is read. In the pictures that are sent nothing scores near it."""

_LARGE = 5_000_000_000
"""More bytes than any server may be told to take."""
_PIECE = b" " * 16_384
"""What is sent of them."""
_LONGEST = 200
"""Characters of a reason."""
_CUT = 3000
"""Bytes that a broken picture lacks at its end: its head is sound, so a worker has to find out."""


class Kind(enum.StrEnum):
    """What a request asks for."""

    ONE = "one picture"
    SEVERAL = "several pictures"
    DRAWN = "drawn on"
    BROKEN = "broken picture"
    UNKNOWN = "unknown model"
    LARGE = "too large"
    HASTY = "hangs up early"


READING = frozenset({Kind.ONE, Kind.SEVERAL, Kind.DRAWN, Kind.HASTY})
"""Kinds whose right answer is what was found in pictures: all stages had to work for it."""

SHARES: dict[Kind, float] = {
    Kind.ONE: 0.72,
    Kind.SEVERAL: 0.06,
    Kind.DRAWN: 0.06,
    Kind.BROKEN: 0.04,
    Kind.UNKNOWN: 0.03,
    Kind.LARGE: 0.03,
    Kind.HASTY: 0.06,
}
"""Part of the requests that are of each kind."""

_REFUSALS = {Kind.BROKEN: "400", Kind.UNKNOWN: "404", Kind.LARGE: "413"}
"""The right answer where it is no finding."""


class Verdict(enum.StrEnum):
    """What became of a request."""

    RIGHT = "right"
    WRONG = "wrong"
    UNANSWERED = "unanswered"
    TWICE = "twice"
    """Something came after a whole answer, with nothing asked."""
    REFUSED = "refused"
    """Not now, and when to try again: what a server may always say."""
    FAILED = "failed"
    CUT = "cut"
    """The connection ended without an answer."""
    HUNG_UP = "hung up"
    """By the client, before there was an answer."""


class Asked(msgspec.Struct, frozen=True):
    """One request."""

    label: str
    """Sent as its id, which must come back."""
    kind: Kind
    pictures: list[Picture]
    model: str
    confidence: float = CONFIDENCE


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    outcome: str
    """The status as text, or a kind of failure (``bench.connection``)."""
    body: bytes = b""
    retry_after: bool = False
    """It says when to try again."""


Judged = tuple[Verdict, str]
"""A verdict, and why if it is not ``RIGHT``."""


def request(asked: Asked, address: targets.Address, key: str | None) -> bytes:
    """Return the whole HTTP request."""
    body = _body(asked)
    lines = [
        f"POST {address.prefix}{targets.ROUTES['object-detection']} HTTP/1.1",
        f"Host: {address.authority}",
        "User-Agent: parallax-chaos",
        "Content-Type: application/json",
        f"Content-Length: {_LARGE if asked.kind is Kind.LARGE else len(body)}",
        *([f"Authorization: Bearer {key}"] if key is not None else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def encoded(data: bytes) -> str:
    """Return a picture as it stands in a request."""
    return base64.b64encode(data).decode()


def _body(asked: Asked) -> bytes:
    if asked.kind is Kind.LARGE:
        return _PIECE
    cut = _CUT if asked.kind is Kind.BROKEN else 0
    images = [
        {"type": "base64", "value": encoded(each.data[: len(each.data) - cut])}
        for each in asked.pictures
    ]
    fields = {
        "id": asked.label,
        "model_id": "nobody/1" if asked.kind is Kind.UNKNOWN else asked.model,
        "image": images if asked.kind is Kind.SEVERAL else images[0],
        "confidence": asked.confidence,
        "visualize_predictions": asked.kind is Kind.DRAWN,
    }
    return json.dumps(fields).encode()


def judge(asked: Asked, answer: Answer) -> Judged:
    """Return what an answer is worth."""
    if not answer.outcome.isdigit():
        return _failures(asked, answer)
    status = answer.outcome
    if status == "503" and answer.retry_after:
        return Verdict.REFUSED, targets.reason(answer.body)
    wanted = _REFUSALS.get(asked.kind, "200")
    if status == wanted == "200":
        found = _found(asked, answer.body)
        return (Verdict.WRONG, found) if found else (Verdict.RIGHT, "")
    if status == wanted:
        return Verdict.RIGHT, ""
    said = f"{asked.kind}: {status} {targets.reason(answer.body)}"
    return Verdict.WRONG if status == "200" else Verdict.FAILED, said[:_LONGEST]


def least_score(body: bytes) -> float:
    """Return the least score in a right answer about one picture."""
    return min((float(one["confidence"]) for one in json.loads(body)["predictions"]), default=1.0)


def _failures(asked: Asked, answer: Answer) -> Judged:
    if answer.outcome == connection.TIMEOUT:
        return Verdict.UNANSWERED, f"{asked.kind}: no answer in time"
    if answer.outcome == connection.CONNECTION:
        cause = targets.reason(answer.body) or "closed without an answer"
        return Verdict.CUT, f"{asked.kind}: {cause}"
    return Verdict.WRONG, f"{asked.kind}: not HTTP"


def _found(asked: Asked, body: bytes) -> str:
    """Return what is wrong with the findings; empty if nothing is."""
    try:
        found = json.loads(body)
        rows = found if asked.kind is Kind.SEVERAL else [found]
        if len(rows) != len(asked.pictures):
            return f"{len(rows)} answers to {len(asked.pictures)} pictures"
        wrong = (
            _one(asked, row, picture) for row, picture in zip(rows, asked.pictures, strict=True)
        )
        return next(filter(None, wrong), "")
    except (ValueError, KeyError, TypeError) as problem:
        return f"{asked.kind}: not an answer: {problem!r}"[:_LONGEST]


def _one(asked: Asked, row: dict[str, Any], picture: Picture) -> str:
    if row["inference_id"] != asked.label:
        return f"{asked.kind}: the answer to {str(row['inference_id'])[:40]!r}"
    if (row["image"]["width"], row["image"]["height"]) != tuple(picture.size):
        return f"{asked.kind}: the answer to a picture of another size"
    read = codes.read(row["predictions"], picture.size)
    if read is None:
        return f"{asked.kind}: unreadable"
    if read != tuple(picture.code):
        return f"{asked.kind}: {_differences(read, picture.code)}"
    if (asked.kind is Kind.DRAWN) != bool(row.get("visualization")):
        return f"{asked.kind}: the drawing is missing, or was not asked for"
    return ""


def _differences(read: Sequence[int], code: Sequence[int]) -> str:
    count = sum(one != other for one, other in zip(read, code, strict=True))
    return "the answer to another picture" if count > 1 else "a shape is missing or wrong"
