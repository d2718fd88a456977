"""The answer around what the post stage made.

Post workers deliver ``{"image":{...},"predictions":[...]}`` as bytes. They are spliced, not parsed:
the keys come out in the order that clients of this dialect know, and the largest part is copied
once.
"""

from collections.abc import Sequence

import orjson

from parallax.contract import errors, spec
from parallax.gateway import pending

Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
_LONGEST_DETAILS = 4096


def body(answers: Sequence[pending.Answer], inference_id: str, seconds: float, many: bool) -> bytes:
    """Return one object, or a list of them if a list was asked; id and time are shared.

    Raises:
        InternalError: a fragment is not a JSON object.
    """
    lead = b'{"inference_id":%b,"time":%.6f,' % (orjson.dumps(inference_id), seconds)
    pieces = [piece for answer in answers for piece in (b",", lead, _inside(answer.bulk))]
    if not many:
        return b"".join(pieces[1:])
    pieces[0] = b"["
    pieces.append(b"]")
    return b"".join(pieces)


def content_headers(media: bytes, length: int) -> Headers:
    """Return the headers that describe a body."""
    return [(b"content-type", media), (b"content-length", b"%d" % length)]


def headers(answers: Sequence[pending.Answer], model: spec.ModelSpec, loading: float) -> Headers:
    """Return what a successful answer says of its making; the timing is that of the slowest
    picture. ``loading`` is the seconds for which the request waited for its model to be loaded."""
    slowest = max(answers, key=lambda answer: answer.total_ms)
    timings = slowest.timings
    timing = b"queue;dur=%.2f, pre;dur=%.2f, infer;dur=%.2f, post;dur=%.2f, total;dur=%.2f" % (
        slowest.queue_ms,
        timings.pre_ms,
        timings.infer_ms,
        timings.post_ms,
        slowest.total_ms,
    )
    return [
        (b"server-timing", timing),
        (b"x-model-id", model.id.encode("ascii", "replace")),
        *_cold_start(model.id, loading),
    ]


def _cold_start(model: str, loading: float) -> Headers:
    if not loading:
        return [(b"x-model-cold-start", b"false")]
    started: Headers = [
        (b"x-model-cold-start", b"true"),
        (b"x-model-cold-start-count", b"1"),
        (b"x-model-load-time", b"%.6f" % loading),
    ]
    details = orjson.dumps([{"m": model, "t": round(loading, 6)}])
    if len(details) <= _LONGEST_DETAILS and details.isascii():
        started.append((b"x-model-load-details", details))
    return started


def _inside(fragment: bytes) -> bytes:
    if len(fragment) < 3 or fragment[:1] != b"{" or fragment[-1:] != b"}":
        raise errors.InternalError("the answer of a post worker is not a JSON object")
    return fragment[1:]
